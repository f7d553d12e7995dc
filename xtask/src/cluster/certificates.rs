//! Pure. The certificates of a test cluster: who presents which, and how openssl makes them.

use std::path::Path;

use super::layout::{API_SERVICE_ADDRESS, HOST_ADDRESS, Layout};

/// The name of the files of the certificate authority.
pub(crate) const AUTHORITY: &str = "ca";
/// The name of the files of the key that signs the tokens of service accounts.
pub(crate) const SERVICE_ACCOUNTS: &str = "service-accounts";
/// openssl's configuration. Its usual one would make an authority of every certificate.
pub(crate) const OPENSSL_CONFIG: &str = "[req]\ndistinguished_name = dn\n[dn]\n";

const DAYS: &str = "3650";

/// What the authority signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The name of its files.
    pub(crate) name: String,
    /// In openssl's form.
    pub(crate) subject: String,
    /// For a server: the names and addresses that it is reached by.
    pub(crate) server_names: Option<String>,
}

/// All certificates but the authority's own. Kubernetes reads user and groups from the subject.
pub(crate) fn all(layout: &Layout) -> Vec<Certificate> {
    let mut certificates = vec![
        Certificate {
            name: "apiserver".to_owned(),
            subject: "/CN=kube-apiserver".to_owned(),
            server_names: Some(format!(
                "IP:{HOST_ADDRESS},IP:127.0.0.1,IP:{API_SERVICE_ADDRESS},DNS:localhost,\
                 DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
            )),
        },
        client("admin", "/O=system:masters/CN=admin"),
        client("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        client("volume-provisioner", "/O=system:masters/CN=volume-provisioner"),
        client("controller-manager", "/CN=system:kube-controller-manager"),
        client("scheduler", "/CN=system:kube-scheduler"),
        client("proxy", "/CN=system:kube-proxy"),
    ];
    certificates.extend(layout.nodes.iter().map(|node| {
        let name = node.name();
        client(&name, &format!("/O=system:nodes/CN=system:node:{name}"))
    }));
    certificates
}

fn client(name: &str, subject: &str) -> Certificate {
    Certificate { name: name.to_owned(), subject: subject.to_owned(), server_names: None }
}

/// The arguments of openssl that make the authority.
pub(crate) fn authority_arguments(layout: &Layout) -> Vec<String> {
    let mut arguments = request(layout, AUTHORITY, "/CN=ringkv-test-ca");
    for extension in ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
    {
        arguments.extend(["-addext".to_owned(), extension.to_owned()]);
    }
    arguments
}

/// The arguments of openssl that make a certificate and its key.
pub(crate) fn arguments(layout: &Layout, certificate: &Certificate) -> Vec<String> {
    let mut arguments = request(layout, &certificate.name, &certificate.subject);
    arguments.extend(["-CA".to_owned(), text(&layout.certificate(AUTHORITY))]);
    arguments.extend(["-CAkey".to_owned(), text(&layout.key(AUTHORITY))]);
    let usage = match &certificate.server_names {
        Some(names) => {
            arguments.extend(["-addext".to_owned(), format!("subjectAltName={names}")]);
            "extendedKeyUsage=serverAuth"
        }
        None => "extendedKeyUsage=clientAuth",
    };
    for extension in ["basicConstraints=critical,CA:FALSE", usage] {
        arguments.extend(["-addext".to_owned(), extension.to_owned()]);
    }
    arguments
}

/// The arguments of openssl that make the key of service accounts.
pub(crate) fn service_account_arguments(layout: &Layout) -> Vec<String> {
    let key = text(&layout.key(SERVICE_ACCOUNTS));
    ["genpkey", "-quiet", "-algorithm", "RSA", "-out", &key].map(str::to_owned).to_vec()
}

fn request(layout: &Layout, name: &str, subject: &str) -> Vec<String> {
    let config = text(&layout.path("pki/openssl.cnf"));
    let key = text(&layout.key(name));
    let certificate = text(&layout.certificate(name));
    let arguments: [&str; 17] = [
        "req",
        "-x509",
        "-config",
        &config,
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        DAYS,
        "-subj",
        subject,
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    arguments.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
