{{/*
What the operator may do in the namespaces that it looks after. Parts are deleted by garbage
collection, so delete is granted only where the operator itself decides that something goes.
*/}}
{{- define "ringkv.rules" -}}
- apiGroups: [ringkv.dev]
  resources: [kvclusters]
  verbs: [get, list, watch]
- apiGroups: [ringkv.dev]
  resources: [kvclusters/status]
  verbs: [get, patch]
# An owner reference that blocks deletion needs this where such references are checked (OpenShift).
- apiGroups: [ringkv.dev]
  resources: [kvclusters/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch]
# delete: pods are replaced one at a time.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
# patch: volumes grow, and go with the cluster if they shall. delete: the volume of a server that left the ring.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
# The two of each cluster, and the one that auth.existingSecret names. The operator asks only for
# those with its label, but a rule cannot say so: with watchNamespaces it sees fewer namespaces.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
# delete: that of a single router, which would only keep its machine from being drained.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
# The roles of servers and routers. Nobody can grant what he does not hold: they get parts of the
# first and of the next rule.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "ringkv.subject" -}}
- kind: ServiceAccount
  name: {{ include "ringkv.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
