{{/* Whether the store fits into what its pods get. */}}

{{/* Bytes of a Kubernetes quantity; 0 if it is none of the usual ones. */}}
{{- define "kvorum.bytes" -}}
{{- $quantity := toString . -}}
{{- $number := regexFind "^[0-9.]+" $quantity | float64 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $quantity "" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf $number (get $units $unit | default 0 | float64) | floor | int64 -}}
{{- end -}}

{{/* QUOTA_BYTES as it acts; 0: no bound. */}}
{{- define "kvorum.quotaBytes" -}}
{{- $told := get .Values.config "QUOTA_BYTES" -}}
{{- if kindIs "invalid" $told -}}2147483648{{- else if eq (toString $told) "" -}}2147483648{{- else -}}{{ int64 $told }}{{- end -}}
{{- end -}}

{{/* What may go wrong with memory and disk, as lines; see `resources` and `persistence.size`. */}}
{{- define "kvorum.sizingWarnings" -}}
{{- $quota := include "kvorum.quotaBytes" . | int64 -}}
{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- $mib := 1048576 -}}
{{- if eq $quota 0 -}}
- QUOTA_BYTES=0: the store may grow until a node is killed for its memory, and then all of them.
{{ else -}}
{{- $memory := add (div (mul $quota 5) 2) (mul 512 $mib) -}}
{{- if and $limit (lt (include "kvorum.bytes" $limit | int64) $memory) -}}
- The memory limit, {{ $limit }}, is less than a full store may need: {{ div $memory $mib }}Mi for QUOTA_BYTES={{ $quota }}.
  Raise resources.limits.memory, or lower config.QUOTA_BYTES.
{{ end -}}
{{- $disk := add (mul $quota 4) (mul 256 $mib) -}}
{{- if and .Values.persistence.enabled (lt (include "kvorum.bytes" .Values.persistence.size | int64) $disk) -}}
- The volumes, {{ .Values.persistence.size }}, are less than a full store may need: {{ div $disk $mib }}Mi for QUOTA_BYTES={{ $quota }}.
{{ end -}}
{{- end -}}
{{- end -}}
