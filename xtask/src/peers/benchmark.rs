//! Pure. redis-benchmark: its command line, and what it prints with `--csv`.

use anyhow::{Context, ensure};

use super::cell::Cell;

/// The keys that redis-benchmark makes with `-r`: `key:` and twelve digits.
pub(crate) const KEY_BYTES: u64 = 16;
/// The fewest and most requests of one round.
const REQUESTS: (u64, u64) = (100, 50_000_000);
/// What one run of redis-benchmark says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Latency of half of the requests, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency of all but one in a hundred.
    pub(crate) p99_ms: f64,
}

/// How long a trial has to take that tells enough. With more threads than one redis-benchmark looks
/// four times a second whether all is done, so that its times are multiples of 250 ms.
pub(crate) fn trial_seconds(threads: u16) -> f64 {
    if threads > 1 { 2.0 } else { 0.15 }
}

/// The arguments for a cell on that port: requests over keys, by threads of the client.
pub(crate) fn arguments(
    cell: &Cell,
    port: u16,
    requests: u64,
    keys: u64,
    threads: u16,
) -> Vec<String> {
    let mut words: Vec<String> =
        ["-h", "127.0.0.1", "--csv", "--precision", "3"].map(str::to_owned).to_vec();
    let mut put = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    put("-p", port.to_string());
    put("-t", cell.kind.test().to_owned());
    put("-c", cell.connections.to_string());
    put("-P", cell.pipeline.to_string());
    put("-d", cell.value_bytes.to_string());
    put("-r", keys.to_string());
    put("-n", requests.to_string());
    // With as many threads as connections at the most, each has something to do.
    let threads = u32::from(threads).min(cell.connections);
    if threads > 1 {
        put("--threads", threads.to_string());
    }
    words
}

/// Reads the one line of figures below the line of names.
pub(crate) fn parse(text: &str) -> anyhow::Result<Outcome> {
    let mut lines = text.lines().filter(|line| line.starts_with('"'));
    let names = fields(lines.next().context("redis-benchmark printed no table")?);
    let line = lines.next().context("redis-benchmark printed no figures")?;
    let figures = fields(line);
    let figure = |name: &str| -> anyhow::Result<f64> {
        let at = names.iter().position(|known| *known == name);
        let text = at.and_then(|at| figures.get(at));
        let text = text.with_context(|| format!("no {name} in {line}; is it redis 7?"))?;
        let figure: f64 = text.parse().with_context(|| format!("{name} {text}"))?;
        ensure!(figure.is_finite() && figure >= 0.0, "{name} is {text}");
        Ok(figure)
    };
    Ok(Outcome {
        per_second: figure("rps")?,
        p50_ms: figure("p50_latency_ms")?,
        p99_ms: figure("p99_latency_ms")?,
    })
}

/// How many requests take about that long on the sides that were tried: the geometric mean, since
/// all of them get the same number. Two digits, and a multiple of what is sent at once.
pub(crate) fn requests_for(seconds: f64, per_second: &[f64], cell: &Cell) -> u64 {
    let sum: f64 = per_second.iter().map(|rate| rate.max(1.0).ln()).sum();
    let wanted = (sum / per_second.len().max(1) as f64).exp() * seconds;
    let digits = 10_f64.powf((wanted.max(1.0).log10().floor() - 1.0).max(0.0));
    let rounded = ((wanted / digits).round() * digits) as u64;
    let at_once = u64::from(cell.connections) * u64::from(cell.pipeline);
    rounded.clamp(REQUESTS.0, REQUESTS.1).next_multiple_of(at_once.max(1))
}

fn fields(line: &str) -> Vec<&str> {
    line.split("\",\"").map(|field| field.trim_matches(['"', '\r', '\n'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-benchmark 7.0.15 has printed it.
    const SET: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
        \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
        \"SET\",\"79365.08\",\"0.452\",\"0.024\",\"0.287\",\"0.823\",\"3.583\",\"31.951\"\n";

    #[test]
    fn figures_are_found_by_their_names() {
        let expected = Outcome { per_second: 79_365.08, p50_ms: 0.287, p99_ms: 3.583 };
        assert_eq!(parse(SET).unwrap(), expected);
        let warned = format!("WARNING: Could not fetch server CONFIG\n{SET}");
        assert_eq!(parse(&warned).unwrap(), expected);
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let (names, _) = SET.split_once('\n').unwrap();
        for text in ["", "Could not connect to Redis at 127.0.0.1:1: Connection refused", names] {
            assert!(parse(text).is_err(), "{text}");
        }
        for figure in ["", "nan", "inf", "-1", "x"] {
            assert!(parse(&SET.replace("79365.08", figure)).is_err(), "{figure}");
        }
        assert!(parse(&SET.replace("p99_latency_ms", "p98_latency_ms")).is_err());
    }

    #[test]
    fn the_number_of_requests_follows_from_the_rates() {
        let cell = Cell::parse("set,1,1,16").unwrap();
        assert_eq!(requests_for(2.0, &[10_000.0], &cell), 20_000);
        assert_eq!(requests_for(1.0, &[40_000.0, 90_000.0], &cell), 60_000);
        assert_eq!(requests_for(1.0, &[123_456.0], &cell), 120_000);
        assert_eq!(requests_for(1.0, &[7.0], &cell), REQUESTS.0);
        assert_eq!(requests_for(1e9, &[1e9], &cell), REQUESTS.1);
        let wide = Cell::parse("set,200,100,16").unwrap();
        assert_eq!(requests_for(1.0, &[50_000.0], &wide), 60_000);
    }

    #[test]
    fn more_threads_are_asked_for_and_never_more_than_connections() {
        let of = |text: &str, threads| {
            arguments(&Cell::parse(text).unwrap(), 7, 1_000, 99, threads).join(" ")
        };
        let one = of("get-beside-set,1,16,256", 2);
        assert!(one.ends_with("-p 7 -t get -c 1 -P 16 -d 256 -r 99 -n 1000"), "{one}");
        assert!(!of("set,50,1,16", 1).contains("--threads"));
        assert!(of("set,50,1,16", 2).ends_with("--threads 2"));
    }
}
