//! Shell. Reconciles `KvCluster` resources and drives every change of their rings.
