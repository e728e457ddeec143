{{- /* What would start, and not do what its user thinks. */ -}}
{{- define "tagwarden.refuse" -}}
{{- $hasRedis := include "tagwarden.hasRedis" . -}}
{{- $most := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
{{- if not (dig "upstream" "url" "" .Values.config) }}
{{- fail "config.upstream.url: give the address of the registry, as http://registry.registry.svc:5000" }}
{{- end }}
{{- if and (gt $most 1) (not $hasRedis) }}
{{- fail (printf "config.redis.url: %d replicas need a Redis or Valkey, or two pushes of one new tag could both win; give one, or set replicas to 1" $most) }}
{{- end }}
{{- if and (not $hasRedis) (not .Values.persistence.enabled) }}
{{- fail "persistence.enabled: without config.redis.url Tagwarden keeps what it has promised in a file, which a new pod must find again; set it to true, or give a Redis" }}
{{- end }}
{{- if and (empty .Values.rules) (not .Values.existingRulesConfigMap) }}
{{- fail "rules: give the rules, or name a ConfigMap that has rules.yaml in existingRulesConfigMap" }}
{{- end }}
{{- if and .Values.rules .Values.existingRulesConfigMap }}
{{- fail "rules: they are in existingRulesConfigMap already; give one of the two" }}
{{- end }}
{{- if and (eq (dig "auth" "mode" "anonymous" .Values.config) "builtin") (gt $most 1) (not .Values.secrets.signingKey.existingSecret) }}
{{- fail "secrets.signingKey: replicas that issue tokens sign with one key; give the Secret that holds it" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host: give the name that clients know" }}
{{- end }}
{{- end }}
