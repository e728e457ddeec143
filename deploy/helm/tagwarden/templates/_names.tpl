{{- define "tagwarden.name" -}}
{{- if contains "tagwarden" .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}{{ printf "%s-tagwarden" .Release.Name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tagwarden.selector" -}}
app.kubernetes.io/name: tagwarden
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: door
{{- end }}

{{- define "tagwarden.labels" -}}
app.kubernetes.io/name: tagwarden
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tagwarden.image" -}}
{{- $repository := required "image.repository: give the image of Tagwarden that you have built and pushed" .Values.image.repository -}}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}
{{- else }}{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "tagwarden.hasRedis" -}}
{{- if dig "redis" "url" "" .Values.config }}true{{ end }}
{{- end }}

{{- define "tagwarden.rulesConfigMap" -}}
{{- .Values.existingRulesConfigMap | default (printf "%s-rules" (include "tagwarden.name" .)) }}
{{- end }}

{{- define "tagwarden.adminScheme" -}}
{{- if dig "admin" "tls" false .Values.config }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- define "tagwarden.servicePort" -}}
{{- .Values.service.port | default (ternary 443 80 (not (empty .Values.secrets.tls.existingSecret))) }}
{{- end }}

{{- /* What a container may do: nothing. */ -}}
{{- define "tagwarden.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "tagwarden.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAs.user }}
runAsUser: {{ . }}
{{- end }}
{{- with .Values.runAs.group }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end }}
