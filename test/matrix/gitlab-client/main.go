// Command gitlab-client calls the services of GitLab's own Go client, one method at a time:
//
//	gitlab-client repository|tag list|create|update|delete PROJECT [RULE] [OPTIONS]
//	gitlab-client raw METHOD PATH [BODY]
//
// GITLAB_URL and GITLAB_TOKEN say where, and with what. Options and bodies are JSON; so is what it prints.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

func main() {
	client, err := gitlab.NewClient(
		os.Getenv("GITLAB_TOKEN"),
		gitlab.WithBaseURL(os.Getenv("GITLAB_URL")),
		gitlab.WithoutRetries(),
	)
	check(err)
	result, err := run(client, os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func run(client *gitlab.Client, kind, verb, project string, rest []string) (any, error) {
	switch kind {
	case "repository":
		return repositoryRules(client.ContainerRegistryProtectionRules, verb, project, rest)
	case "tag":
		return tagRules(client.ContainerRegistryTagProtectionRules, verb, project, rest)
	default:
		return raw(client, verb, project, rest)
	}
}

func repositoryRules(rules gitlab.ContainerRegistryProtectionRulesServiceInterface, verb, project string, rest []string) (any, error) {
	switch verb {
	case "list":
		result, _, err := rules.ListContainerRegistryProtectionRules(project)
		return result, err
	case "create":
		result, _, err := rules.CreateContainerRegistryProtectionRule(
			project, options[gitlab.CreateContainerRegistryProtectionRuleOptions](rest[0]))
		return result, err
	case "update":
		result, _, err := rules.UpdateContainerRegistryProtectionRule(
			project, number(rest[0]), options[gitlab.UpdateContainerRegistryProtectionRuleOptions](rest[1]))
		return result, err
	default:
		_, err := rules.DeleteContainerRegistryProtectionRule(project, number(rest[0]))
		return nil, err
	}
}

func tagRules(rules gitlab.ContainerRegistryTagProtectionRulesServiceInterface, verb, project string, rest []string) (any, error) {
	switch verb {
	case "list":
		result, _, err := rules.ListContainerRegistryTagProtectionRules(project)
		return result, err
	case "create":
		result, _, err := rules.CreateContainerRegistryTagProtectionRule(
			project, options[gitlab.CreateContainerRegistryTagProtectionRuleOptions](rest[0]))
		return result, err
	case "update":
		result, _, err := rules.UpdateContainerRegistryTagProtectionRule(
			project, number(rest[0]), options[gitlab.UpdateContainerRegistryTagProtectionRuleOptions](rest[1]))
		return result, err
	default:
		_, err := rules.DeleteContainerRegistryTagProtectionRule(project, number(rest[0]))
		return nil, err
	}
}

// raw is for what the services lack: fields that only Tagwarden has.
func raw(client *gitlab.Client, method, path string, rest []string) (any, error) {
	var body any
	if len(rest) > 0 {
		body = options[map[string]any](rest[0])
	}
	request, err := client.NewRequest(method, path, body, nil)
	if err != nil {
		return nil, err
	}
	var result any
	response, err := client.Do(request, &result)
	if err == nil && response.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	return result, err
}

func options[Options any](text string) *Options {
	var read Options
	check(json.Unmarshal([]byte(text), &read))
	return &read
}

func number(text string) int64 {
	read, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return read
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
