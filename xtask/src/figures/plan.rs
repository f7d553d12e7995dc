//! Pure. Which figures there are, and with which commands each is measured.

/// How many servers a cluster has where the number is not what is varied.
pub(crate) const SERVERS: usize = 5;
/// Keys whose distribution is shown.
pub(crate) const KEYS: u64 = 10_000;
/// What the report counted on its five stores, with as many keys.
pub(crate) const REPORTED: [u64; SERVERS] = [1_879, 2_357, 1_992, 1_883, 1_889];
/// Requests of each client, as in the report.
const REQUESTS_OF_A_CLIENT: u64 = 10;
/// Enough requests that a point is more than the setting up of connections.
const MANY_REQUESTS: u64 = 100_000;
/// How often each point is measured.
const REPETITIONS: &str = "5";
const CLIENTS: [u64; 8] = [1, 2, 5, 10, 20, 50, 100, 200];

/// A figure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Its number in the report.
    pub(crate) number: u8,
    /// What its files are called.
    pub(crate) name: &'static str,
    /// What stands above it.
    pub(crate) title: &'static str,
    pub(crate) subject: Subject,
}

/// What it shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Keys of each server, with either placement, beside what the report counted.
    Placements,
    /// Keys of each server before and after one was removed.
    Removal,
    /// Latency and throughput: what `ringkv bench` is given, call by call.
    Sweep { of: Servers, calls: Vec<Vec<String>> },
    /// Latency and throughput over time, while the cluster grows.
    Growth,
}

/// Whose servers a sweep runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// One cluster of [`SERVERS`], for all calls.
    Started,
    /// Those that the sweep starts itself.
    Own,
}

/// All of them, in order.
pub(crate) fn figures() -> Vec<Figure> {
    let figure = |number, name, title, subject| Figure { number, name, title, subject };
    let sweep = |of, calls| Subject::Sweep { of, calls };
    vec![
        figure(1, "1-distribution", "10,000 keys on 5 servers", Subject::Placements),
        figure(2, "2-removal", "10,000 keys: one of 5 servers leaves", Subject::Removal),
        figure(
            3,
            "3-clients",
            "Clients, 10 requests each",
            sweep(Servers::Started, CLIENTS.map(|n| clients(n, n * REQUESTS_OF_A_CLIENT)).to_vec()),
        ),
        figure(
            3,
            "3-clients-many",
            "Clients, 100,000 requests in all",
            sweep(Servers::Started, CLIENTS.map(|n| clients(n, MANY_REQUESTS)).to_vec()),
        ),
        figure(
            4,
            "4-requests",
            "Requests of 10 clients",
            sweep(
                Servers::Started,
                vec![call(&["--clients", "10", "--sweep", "requests=100,1000,10000,100000"])],
            ),
        ),
        figure(
            5,
            "5-servers",
            "Servers, 100 clients with 10 requests each",
            sweep(Servers::Own, vec![servers(1_000)]),
        ),
        figure(
            5,
            "5-servers-many",
            "Servers, 100 clients, 100,000 requests in all",
            sweep(Servers::Own, vec![servers(MANY_REQUESTS)]),
        ),
        figure(
            6,
            "6-mixes",
            "Mixes, 10 clients with 1,000 requests each",
            sweep(
                Servers::Started,
                vec![call(&[
                    "--clients",
                    "10",
                    "--requests",
                    "10000",
                    "--sweep",
                    "mix=read-only,read-mainly,mixed,write-mainly,write-only",
                ])],
            ),
        ),
        figure(7, "7-growth", "From 3 servers to 5 under load", Subject::Growth),
    ]
}

fn clients(n: u64, requests: u64) -> Vec<String> {
    call(&[
        "--clients",
        &n.to_string(),
        "--requests",
        &requests.to_string(),
        "--sweep",
        &format!("clients={n}"),
    ])
}

fn servers(requests: u64) -> Vec<String> {
    let requests = requests.to_string();
    let points = "servers=1,3,5,7,15,30";
    let durability = ["--durability", "everysec"];
    let words = ["--clients", "100", "--requests", &requests, "--sweep", points];
    call(&[&words[..], &durability].concat())
}

/// The words of a call, and what all calls have in common.
fn call(words: &[&str]) -> Vec<String> {
    let common = ["--preload", "--keys", "10000", "--value-size", "100", "--repeat", REPETITIONS];
    words.iter().chain(&common).map(|word| (*word).to_owned()).collect()
}

/// Rows of the table that becomes bars: `series,server,keys`.
pub(crate) fn rows(series: &str, keys: &[(String, u64)]) -> String {
    keys.iter().map(|(server, keys)| format!("{series},{server},{keys}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_figure_of_the_report_is_there_and_no_file_twice() {
        let figures = figures();
        for number in 1..=6 {
            assert!(figures.iter().any(|figure| figure.number == number), "{number}");
        }
        let names: BTreeSet<&str> = figures.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), figures.len());
        assert_eq!(REPORTED.iter().sum::<u64>(), KEYS);
    }

    #[test]
    fn a_client_of_the_report_sends_ten_requests() {
        let words = clients(20, 20 * REQUESTS_OF_A_CLIENT).join(" ");
        assert!(words.starts_with("--clients 20 --requests 200 --sweep clients=20 "), "{words}");
    }

    #[test]
    fn a_row_for_each_server() {
        let keys = [("kv-0".to_owned(), 3), ("kv-1".to_owned(), 4)];
        assert_eq!(rows("classic", &keys), "classic,kv-0,3\nclassic,kv-1,4\n");
    }
}
