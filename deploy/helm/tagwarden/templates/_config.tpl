{{- /* Where each secret is named in tagwarden.yaml, and what its file is called. */ -}}
{{- define "tagwarden.secretFiles" -}}
redisPassword: { section: redis, key: password_file, file: redis-password }
redisSentinelPassword: { section: redis, key: sentinel_password_file, file: redis-sentinel-password }
redisCa: { section: redis, key: ca_file, file: redis-ca.crt }
upstreamPassword: { section: upstream, key: password_file, file: upstream-password }
upstreamCa: { section: upstream, key: ca_file, file: upstream-ca.crt }
adminTokens: { section: admin, key: token_file, file: tokens.yaml }
users: { section: auth, key: users_file, file: users.htpasswd }
signingKey: { section: auth, key: signing_key_file, file: signing.key }
{{- end }}

{{- define "tagwarden.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $secrets := .Values.secrets -}}
{{- range $name, $place := include "tagwarden.secretFiles" . | fromYaml }}
{{- if (index $secrets $name).existingSecret }}
{{- $section := get $config $place.section | default dict -}}
{{- $_ := set $section $place.key (printf "/etc/tagwarden/secrets/%s" $place.file) -}}
{{- $_ := set $config $place.section $section -}}
{{- end }}
{{- end }}
{{- if $secrets.tls.existingSecret }}
{{- $tls := dict "cert_file" "/etc/tagwarden/secrets/tls.crt" "key_file" "/etc/tagwarden/secrets/tls.key" -}}
{{- $_ := set $config "tls" (merge $tls (get $config "tls" | default dict)) -}}
{{- end }}
{{- $rules := dict "file" "/etc/tagwarden/rules/rules.yaml" -}}
{{- if include "tagwarden.hasRedis" . }}{{ $_ := set $rules "publish" true }}{{ end -}}
{{- $_ := set $config "rules" (merge $rules (get $config "rules" | default dict)) -}}
{{- if not (get $config "redis") }}{{ $_ := unset $config "redis" }}{{ end -}}
{{ toYaml $config }}
{{- end }}

{{- /* All secrets in one folder, which changes at once when one of them does. */ -}}
{{- define "tagwarden.secretSources" -}}
{{- $secrets := .Values.secrets -}}
{{- range $name, $place := include "tagwarden.secretFiles" . | fromYaml }}
{{- with index $secrets $name }}
{{- if .existingSecret }}
- secret:
    name: {{ .existingSecret }}
    items: [{ key: {{ .key | quote }}, path: {{ $place.file }} }]
{{- end }}
{{- end }}
{{- end }}
{{- with $secrets.tls.existingSecret }}
- secret:
    name: {{ . }}
    items: [{ key: tls.crt, path: tls.crt }, { key: tls.key, path: tls.key }]
{{- end }}
{{- end }}
