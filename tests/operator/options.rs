//! Pure. The command line.

use crate::workflow::{Case, WORKFLOWS, Workflow};

pub(crate) const USAGE: &str = "\
cargo xtask operator-faults [CASE...] [FLAG...]

  CASE             such as 3-to-5/crash-before.3, image-roll/late.pods.2, delete/none
  --all            every fault in every workflow; without it, and without a case, a part of the
                   faults in three workflows
  --workflow NAME  only this workflow, every fault of it; may be given several times
  --sweep          every field of the specification out and back, instead of faults
  --workers N      clusters at a time (8)";

/// The workflows of a short run.
const SHORT: [Workflow; 3] = [Workflow::ThreeToFive, Workflow::FiveToThree, Workflow::Create];
const WORKERS_DEFAULT: u32 = 8;
const WORKERS_MAX: u32 = 32;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) workflows: Vec<Workflow>,
    /// Only these, if there are any.
    pub(crate) cases: Vec<Case>,
    /// Whether nothing is left out.
    pub(crate) is_whole: bool,
    pub(crate) sweep: bool,
    pub(crate) workers: u32,
}

/// Reads the arguments; the error says what is wrong with them.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        workflows: Vec::new(),
        cases: Vec::new(),
        is_whole: false,
        sweep: false,
        workers: WORKERS_DEFAULT,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--all" => {
                options.is_whole = true;
                options.workflows = WORKFLOWS.to_vec();
            }
            "--sweep" => options.sweep = true,
            "--workflow" => {
                let name = arguments.next().ok_or("--workflow needs a name")?;
                options.workflows.push(name.parse::<Case>()?.workflow);
                options.is_whole = true;
            }
            "--workers" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                let number = number.filter(|number| (1..=WORKERS_MAX).contains(number));
                options.workers =
                    number.ok_or_else(|| format!("--workers needs 1 to {WORKERS_MAX}"))?;
            }
            flag if flag.starts_with("--") => return Err(format!("unknown flag {flag}")),
            case => options.cases.push(case.parse()?),
        }
    }
    if options.workflows.is_empty() {
        options.workflows = SHORT.to_vec();
    }
    if !options.cases.is_empty() {
        options.workflows = options.cases.iter().map(|case| case.workflow).collect();
        options.workflows.sort_unstable();
        options.workflows.dedup();
    }
    Ok(options)
}
