//! Pure. The rules that the API server checks, in CEL, each with what to do when it refuses.
//!
//! A rule that needs the value to be well formed passes where it is not: another rule says so.

/// An expression over `self` (and `oldSelf`: then it is checked on updates only), and the message.
pub(crate) type Rule = (&'static str, &'static str);

/// Pods are `<name>-255`, Services are named after it and Services begin with a letter.
pub(crate) const NAME: Rule = (
    "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "the name of a KvCluster becomes that of its Services: at most 40 characters, small letters, \
     digits and hyphens, beginning with a letter and ending with a letter or digit",
);
/// The headless Service of the cluster `x` is the router Service of a cluster `x-nodes`.
pub(crate) const NAME_OF_A_PART: Rule = (
    "!self.metadata.name.matches('-(nodes|router)$')",
    "the endings -nodes and -router are taken by the parts of a KvCluster: choose another name",
);
pub(crate) const SECRET_OF_OURS: Rule = (
    "!has(self.spec.auth) || !has(self.spec.auth.existingSecret) || \
     !(self.spec.auth.existingSecret in \
     [self.metadata.name + '-auth', self.metadata.name + '-internal'])",
    "the operator writes the Secrets <name>-auth and <name>-internal itself: give your own another \
     name, or leave existingSecret out to have a password generated into <name>-auth",
);

pub(crate) const VIRTUAL_NODES_STAY: Rule = (
    "self == oldSelf",
    "virtualNodes cannot change, it decides where every key lives: keep the old value, or create \
     another KvCluster and copy the data",
);
pub(crate) const PLACEMENT_STAYS: Rule = (
    "self == oldSelf",
    "placement cannot change, it decides where every key lives: keep the old value, or create \
     another KvCluster and copy the data",
);

/// Without the exponents and thousandths that a quantity may have elsewhere.
pub(crate) const SIZE_IS_A_QUANTITY: Rule = (
    "isQuantity(self) && self.matches('^[0-9.]+([kMGTPE]|[KMGTPE]i)?$')",
    "storage.size is a number with a suffix, such as 10Gi",
);
pub(crate) const SIZE_AT_LEAST: Rule = (
    "!isQuantity(self) || quantity(self).compareTo(quantity('64Mi')) >= 0",
    "storage.size is at least 64Mi, as a server keeps room to compact and to delete when its \
     volume is full: ask for more, such as 1Gi",
);
pub(crate) const SIZE_GROWS: Rule = (
    "!isQuantity(self) || !isQuantity(oldSelf) || \
     quantity(self).compareTo(quantity(oldSelf)) >= 0",
    "storage.size cannot shrink, volumes only grow: keep the old size, or create another \
     KvCluster and copy the data",
);
pub(crate) const CLASS_IS_A_NAME: Rule = (
    "self == '' || self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "storage.class is the name of a StorageClass, as kubectl get storageclass shows it",
);
pub(crate) const CLASS_STAYS: Rule = (
    "has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",
    "storage.class cannot change, nor be added or removed: keep it as it was, or create another \
     KvCluster and copy the data",
);

pub(crate) const IMAGE: Rule = (
    "self.matches('^[a-zA-Z0-9][-a-zA-Z0-9_.:/@]*$') && !self.contains('://')",
    "image is a reference such as registry.example.com/ringkv:0.1.0, with no space and no \
     https://; leave it out to run the operator's own image",
);
pub(crate) const PULL_SECRETS: Rule = (
    "self.all(secret, has(secret.name) && secret.name.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'))",
    "each of imagePullSecrets names a Secret of this namespace: - name: my-registry",
);
pub(crate) const EXISTING_SECRET: Rule = (
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "auth.existingSecret is the name of a Secret of this namespace with the key password; leave it \
     out to have a password generated",
);

pub(crate) const KEYS_OF_OURS: Rule = (
    "self.all(key, !key.startsWith('ringkv.dev/') && !key.startsWith('app.kubernetes.io/') && \
     !key.startsWith('kubernetes.io/'))",
    "keys that begin with ringkv.dev/, app.kubernetes.io/ or kubernetes.io/ are the operator's: \
     use a prefix of your own, such as example.com/",
);
pub(crate) const KEYS: Rule = (
    "self.all(key, key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?\
     [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
    "a key is a name of at most 63 letters, digits, hyphens, underscores and dots, if wanted after \
     a prefix such as example.com/",
);
pub(crate) const LABEL_VALUES: Rule = (
    "self.all(key, self[key].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
    "the value of a label is empty, or letters, digits, hyphens, underscores and dots, with a \
     letter or digit at both ends",
);

/// Of requests, and of limits.
pub(crate) const RESOURCES_ARE_QUANTITIES: Rule = (
    "self.all(kind, isQuantity(string(self[kind])) && \
     quantity(string(self[kind])).compareTo(quantity('0')) >= 0)",
    "requests and limits are quantities, not negative, such as cpu: 500m and memory: 1Gi",
);
/// Of requests, and of limits.
pub(crate) const MEMORY_AT_LEAST: Rule = (
    "!('memory' in self) || !isQuantity(string(self['memory'])) || \
     quantity(string(self['memory'])).compareTo(quantity('32Mi')) >= 0",
    "memory is at least 32Mi; mebibytes end in Mi, as in 512Mi: 512 would be bytes, 512m half a \
     byte",
);
pub(crate) const REQUESTS_WITHIN_LIMITS: Rule = (
    "!has(self.requests) || !has(self.limits) || self.requests.all(kind, \
     !(kind in self.limits) || !isQuantity(string(self.requests[kind])) || \
     !isQuantity(string(self.limits[kind])) || quantity(string(self.requests[kind]))\
     .compareTo(quantity(string(self.limits[kind]))) <= 0)",
    "a request is above its limit: lower resources.requests or raise resources.limits",
);

pub(crate) const TOLERATIONS: Rule = (
    "self.all(t, (!has(t.operator) || t.operator in ['', 'Equal', 'Exists']) && \
     (!has(t.effect) || t.effect in ['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute']) && \
     (!has(t.value) || t.value == '' || !has(t.operator) || t.operator != 'Exists') && \
     ((has(t.key) && t.key != '') || (has(t.operator) && t.operator == 'Exists')) && \
     (!has(t.tolerationSeconds) || (has(t.effect) && t.effect == 'NoExecute')))",
    "a toleration has operator Equal with a key and value, or Exists without a value; effect \
     NoSchedule, PreferNoSchedule or NoExecute; tolerationSeconds only with NoExecute",
);
pub(crate) const SPREAD: Rule = (
    "self.all(c, c.topologyKey != '' && c.maxSkew >= 1 && \
     c.whenUnsatisfiable in ['DoNotSchedule', 'ScheduleAnyway'])",
    "a topology spread constraint has a topologyKey such as topology.kubernetes.io/zone, a maxSkew \
     of 1 or more, and whenUnsatisfiable DoNotSchedule or ScheduleAnyway",
);
pub(crate) const SPREAD_MIN_DOMAINS: Rule = (
    "self.all(c, !has(c.minDomains) || \
     (c.minDomains >= 1 && c.whenUnsatisfiable == 'DoNotSchedule'))",
    "minDomains is 1 or more, and only means something with whenUnsatisfiable: DoNotSchedule",
);
pub(crate) const SPREAD_POLICIES: Rule = (
    "self.all(c, (!has(c.nodeAffinityPolicy) || c.nodeAffinityPolicy in ['Honor', 'Ignore']) && \
     (!has(c.nodeTaintsPolicy) || c.nodeTaintsPolicy in ['Honor', 'Ignore']))",
    "nodeAffinityPolicy and nodeTaintsPolicy are Honor or Ignore",
);
pub(crate) const SPREAD_ONCE: Rule = (
    "self.all(c, self.exists_one(o, c.topologyKey == o.topologyKey && \
     c.whenUnsatisfiable == o.whenUnsatisfiable))",
    "two topology spread constraints have the same topologyKey and whenUnsatisfiable: keep one",
);
pub(crate) const PRIORITY_CLASS: Rule = (
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "priorityClassName is the name of a PriorityClass, as kubectl get priorityclass shows it; \
     leave it out for the default",
);
