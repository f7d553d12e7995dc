//! Pure. What a request to the API server is about, from its method and address.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Read,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    Other,
}

impl Verb {
    pub(crate) fn of(method: &str, query: &str) -> Self {
        match method {
            "GET" if query.split('&').any(|one| one == "watch=true") => Self::Watch,
            "GET" => Self::Read,
            "POST" => Self::Create,
            "PUT" => Self::Update,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// The kind of object, such as `pods` or `kvclusters/status`; names do not become labels.
pub(crate) fn resource(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return "other".to_owned(),
    };
    let rest = match rest {
        ["namespaces", _, inside @ ..] if !inside.is_empty() => inside,
        _ => rest,
    };
    match rest {
        [kind, _, sub, ..] => format!("{kind}/{sub}"),
        [kind, ..] => (*kind).to_owned(),
        [] => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_kind_of_object() {
        let check = |path, expected: &str| assert_eq!(resource(path), expected);
        check("/api/v1/namespaces/a/pods", "pods");
        check("/api/v1/namespaces/a/pods/p", "pods");
        check("/api/v1/pods", "pods");
        check("/apis/ringkv.dev/v1alpha1/namespaces/a/kvclusters/demo/status", "kvclusters/status");
        check("/apis/apps/v1/statefulsets", "statefulsets");
        check("/version", "other");
    }

    #[test]
    fn a_watch_is_told_from_a_read() {
        assert_eq!(Verb::of("GET", "limit=5&watch=true"), Verb::Watch);
        assert_eq!(Verb::of("GET", "limit=5"), Verb::Read);
        assert_eq!(Verb::of("PATCH", "force=true"), Verb::Patch);
    }
}
