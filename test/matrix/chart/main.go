// chart FOLDER NAMESPACE: renders a Helm chart as Helm does, with the values (JSON) of standard input, and reads each
// object as the API server would: unknown fields and wrong types are problems, and so is a pod that the Pod Security
// Standard "restricted" refuses. Prints {"objects": […], "notes": "…", "problems": […]}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

type rendered struct {
	Objects  []json.RawMessage `json:"objects"`
	Notes    string            `json:"notes"`
	Problems []string          `json:"problems"`
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder, namespace string) error {
	given, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	values, err := chartutil.ReadValues(given)
	if err != nil {
		return err
	}
	chart, err := loader.Load(folder)
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: "tagwarden", Namespace: namespace, Revision: 1, IsInstall: true}
	// The values are checked against values.schema.json here.
	all, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		return err
	}
	out := rendered{Objects: []json.RawMessage{}, Problems: []string{}}
	for _, name := range sortedNames(files) {
		switch path.Ext(name) {
		case ".txt":
			out.Notes = files[name]
		case ".yaml":
			if err := out.read(name, files[name]); err != nil {
				return fmt.Errorf("%s: %w\n%s", name, err, files[name])
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func sortedNames(files map[string]string) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var decoder = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func (out *rendered) read(file, text string) error {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		asJSON, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return err
		}
		if string(asJSON) == "null" {
			continue
		}
		out.Objects = append(out.Objects, asJSON)
		out.check(file, asJSON)
	}
}

func (out *rendered) check(file string, document []byte) {
	object, kind, err := decoder.Decode(document, nil, nil)
	if runtime.IsNotRegisteredError(err) && kind != nil && kind.Group == "monitoring.coreos.com" {
		return
	}
	if err != nil {
		out.complain(file, err)
		return
	}
	meta, ok := object.(metav1.Object)
	if !ok {
		out.complain(file, errors.New("has no metadata"))
		return
	}
	for _, problem := range apivalidation.NameIsDNSLabel(meta.GetName(), false) {
		out.complain(file, errors.New(problem))
	}
	for _, problem := range metavalidation.ValidateLabels(meta.GetLabels(), field.NewPath("metadata", "labels")) {
		out.complain(file, problem)
	}
	switch workload := object.(type) {
	case *appsv1.Deployment:
		out.checkPod(file, &workload.Spec.Template.ObjectMeta, &workload.Spec.Template.Spec)
	case *corev1.Pod:
		out.checkPod(file, &workload.ObjectMeta, &workload.Spec)
	}
}

func (out *rendered) checkPod(file string, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		out.complain(file, err)
		return
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(restricted, meta, spec) {
		if !result.Allowed {
			out.complain(file, errors.New(result.ForbiddenReason+": "+result.ForbiddenDetail))
		}
	}
}

func (out *rendered) complain(file string, err error) {
	out.Problems = append(out.Problems, fmt.Sprintf("%s: %v", file, err))
}
