{{/* The settings of a node. */}}

{{/* Those that the chart derives: .Values.config may not set them. */}}
{{- define "kvorum.ownedVariables" -}}
SELF_ID SELF_ADDRESS OTHER_NODES REST_ADDRESS LISTEN_ADDRESS DATA_DIR
{{- end -}}

{{/*
A number as a node reads it. Numbers of a values file arrive as floats, and 2147483648 would be
printed as 2.147483648e+09.
*/}}
{{- define "kvorum.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* The ConfigMap's data: the same for every pod, whatever replicaCount is. */}}
{{- define "kvorum.configData" -}}
{{- $data := dict
  "DATA_DIR" "/var/lib/kvorum"
  "LISTEN_ADDRESS" (printf "%s:8001" .Values.bindAddress)
  "REST_ADDRESS" (printf "%s:8081" .Values.bindAddress)
  "OTHER_NODES" (include "kvorum.otherNodes" .)
-}}
{{- range $name, $value := omit .Values.config "OTEL_RESOURCE_ATTRIBUTES" -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $data $name (include "kvorum.scalar" $value) -}}
{{- end -}}
{{- end -}}
{{- toYaml $data -}}
{{- end -}}

{{/* Where a span comes from: Kubernetes' part, and what the values add. */}}
{{- define "kvorum.resourceAttributes" -}}
k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME),k8s.statefulset.name={{ include "kvorum.fullname" . }},k8s.container.name=kvorum
{{- with .Values.config.OTEL_RESOURCE_ATTRIBUTES }},{{ . }}{{ end -}}
{{- end -}}
