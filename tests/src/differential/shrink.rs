//! Pure. Makes a failing stream short: takes steps, and then commands, out as long as it still
//! fails.

use std::future::Future;

use super::stream::Step;

/// The shortest stream that was found, starting from one that fails. `fails` tries a stream, and is
/// asked at most `tries_max` times.
pub async fn shrink<F>(
    mut steps: Vec<Step>,
    tries_max: usize,
    mut fails: impl FnMut(Vec<Step>) -> F,
) -> Vec<Step>
where
    F: Future<Output = bool>,
{
    let mut tries = 0;
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < steps.len() && steps.len() > 1 {
            if tries >= tries_max {
                return steps;
            }
            tries += 1;
            let end = (start + chunk).min(steps.len());
            let fewer = [&steps[..start], &steps[end..]].concat();
            if !fewer.is_empty() && fails(fewer.clone()).await {
                steps = fewer;
            } else {
                start = end;
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    let mut index = 0;
    while index < steps.len() {
        let mut improved = false;
        for smaller in steps[index].smaller() {
            if tries >= tries_max {
                return steps;
            }
            tries += 1;
            let mut fewer = steps.clone();
            fewer[index] = smaller;
            if fails(fewer.clone()).await {
                steps = fewer;
                improved = true;
                break;
            }
        }
        index += usize::from(!improved);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::stream::Request;
    use super::*;

    fn pipeline(names: &[&str]) -> Step {
        let request = |name: &&str| Request::new(vec![name.as_bytes().to_vec()]);
        Step::Pipeline(names.iter().map(request).collect())
    }

    fn names(steps: &[Step]) -> Vec<Vec<u8>> {
        let requests = |step: &Step| match step {
            Step::Pipeline(requests) => requests.clone(),
            _ => Vec::new(),
        };
        steps.iter().flat_map(requests).map(|request| request.name()).collect()
    }

    #[tokio::test]
    async fn only_what_matters_is_left() {
        let mut steps: Vec<Step> = (0..50).map(|_| pipeline(&["PING", "ECHO"])).collect();
        steps[7] = pipeline(&["A", "SET", "B"]);
        steps[31] = pipeline(&["C", "D", "GET", "E"]);
        let shortest = shrink(steps, 500, |steps| {
            let names = names(&steps);
            let has = |name: &str| names.iter().any(|other| other == name.as_bytes());
            let fails = has("SET") && has("GET");
            async move { fails }
        })
        .await;
        assert_eq!(shortest, [pipeline(&["SET"]), pipeline(&["GET"])]);
    }
}
