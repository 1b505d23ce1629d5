{{/* Who belongs to the cluster, and where it is reached. */}}

{{/*
How many nodes found the cluster: OTHER_NODES names the pods 0 … this-1 for ever, so that neither
replicaCount nor `kubectl scale` changes the pod template, and scaling restarts nobody.
The value; else what the live StatefulSet was installed with; else replicaCount.
*/}}
{{- define "kvorum.foundingReplicas" -}}
{{- if .Values.foundingReplicas -}}
{{- int .Values.foundingReplicas -}}
{{- else -}}
{{- $live := include "kvorum.live" . | fromYaml -}}
{{- $live.founders | default .Values.replicaCount | int -}}
{{- end -}}
{{- end -}}

{{/*
What the live StatefulSet was installed with and what cannot be changed any more, as a map: founders,
members, size (of a claim; empty without claims). An empty map where there is no cluster to ask (helm
template), or nothing is installed.
*/}}
{{- define "kvorum.live" -}}
{{- $facts := dict -}}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace (include "kvorum.fullname" .) -}}
{{- $_ := set $facts "founders" (dig "metadata" "annotations" "kvorum/founding-replicas" "" .) -}}
{{- $_ := set $facts "members" (dig "metadata" "annotations" "kvorum/members" "" .) -}}
{{- $claims := dig "spec" "volumeClaimTemplates" list . -}}
{{- $_ := set $facts "size" "" -}}
{{- with $claims -}}
{{- $_ := set $facts "size" (dig "spec" "resources" "requests" "storage" "" (first .)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $facts -}}
{{- end -}}

{{/*
How many of the founders have a claim that an earlier release left behind; none where there is no
cluster to ask.
*/}}
{{- define "kvorum.keptClaims" -}}
{{- $root := . -}}
{{- $kept := 0 -}}
{{- range $ordinal := until (include "kvorum.foundingReplicas" . | int) -}}
{{- if lookup "v1" "PersistentVolumeClaim" $root.Release.Namespace (printf "data-%s-%d" (include "kvorum.fullname" $root) $ordinal) -}}
{{- $kept = add1 $kept -}}
{{- end -}}
{{- end -}}
{{- $kept -}}
{{- end -}}

{{/* The domain in which the pods have their names. */}}
{{- define "kvorum.peerDomain" -}}
{{ include "kvorum.headless" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/* Addresses of the members, {} standing for the ordinal: what `kvorum rollout` takes. */}}
{{- define "kvorum.memberPattern" -}}
{{ include "kvorum.fullname" . }}-{}.{{ include "kvorum.peerDomain" . }}:8001
{{- end -}}

{{- define "kvorum.otherNodes" -}}
{{- $root := . -}}
{{- $addresses := list -}}
{{- range $ordinal := until (include "kvorum.foundingReplicas" . | int) -}}
{{- $addresses = append $addresses (include "kvorum.memberPattern" $root | replace "{}" (toString $ordinal)) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{/* What clients inside the cluster put into KVORUM_ENDPOINT. */}}
{{- define "kvorum.endpoint" -}}
http://{{ include "kvorum.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}
{{- end -}}
