//! Pure. The commands that a document shows with their output, and whether what they really print
//! is the same.
//!
//! In a block that begins with three back-quotes and `console`, a line that begins with `$ ` is a
//! command (a `\` at its end continues it), and the lines below are what it prints. White space may
//! differ in length. A line of `...` stands for any lines, and a word that ends in `...` for any
//! words that begin so, up to the end of the line. A few words vary from run to run, and only their
//! kind is compared: see [`kind`].

/// A command and what it should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of its line in the document, from 1.
    pub line: usize,
    /// The command, its lines joined as the shell does.
    pub command: String,
    /// What should be printed.
    pub output: Vec<String>,
}

/// The steps below a heading (such as `## On Kubernetes`), up to the next one of the same level.
#[must_use]
pub fn steps(document: &str, heading: &str) -> Vec<Step> {
    let level = heading.split(' ').next().unwrap_or_default().to_owned() + " ";
    let lines = document.lines().enumerate();
    let section = lines.skip_while(|(_, line)| line.trim_end() != heading).skip(1);
    let section = section.take_while(|(_, line)| !line.starts_with(&level));
    let mut steps: Vec<Step> = Vec::new();
    let (mut is_console, mut is_fenced, mut continues) = (false, false, false);
    for (index, line) in section {
        if let Some(language) = line.strip_prefix("```") {
            is_fenced = !is_fenced;
            is_console = is_fenced && language.trim() == "console";
            continues = false;
            continue;
        }
        if !is_console {
            continue;
        }
        if continues && let Some(step) = steps.last_mut() {
            step.command.push('\n');
            step.command.push_str(line);
            continues = line.ends_with('\\');
        } else if let Some(command) = line.strip_prefix("$ ") {
            continues = command.ends_with('\\');
            let command = command.to_owned();
            steps.push(Step { line: index + 1, command, output: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.output.push(line.to_owned());
        }
    }
    for step in &mut steps {
        while step.output.last().is_some_and(|line| line.trim().is_empty()) {
            step.output.pop();
        }
    }
    steps
}

/// Compares what was printed with what should have been.
///
/// # Errors
/// The first line that differs.
pub fn compare(expected: &[String], printed: &str) -> Result<(), String> {
    let printed: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let expected: Vec<&str> =
        expected.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    compare_lines(&expected, &printed)
}

fn compare_lines(expected: &[&str], printed: &[&str]) -> Result<(), String> {
    let Some((line, rest)) = expected.split_first() else {
        return printed.first().map_or(Ok(()), |line| Err(format!("printed besides: {line}")));
    };
    if line.trim() == "..." {
        let ends = (0..=printed.len()).map(|skipped| compare_lines(rest, &printed[skipped..]));
        return ends.reduce(Result::or).unwrap_or(Ok(()));
    }
    match printed.split_first() {
        None => Err(format!("not printed: {line}")),
        Some((other, others)) if is_same_line(line, other) => compare_lines(rest, others),
        Some((other, _)) => Err(format!("expected: {line}\nprinted:  {other}")),
    }
}

fn is_same_line(expected: &str, printed: &str) -> bool {
    let mut words = printed.split_whitespace();
    for expected in expected.split_whitespace() {
        if let Some(beginning) = expected.strip_suffix("...") {
            return words.next().unwrap_or_default().starts_with(beginning);
        }
        if !words.next().is_some_and(|printed| is_same_word(expected, printed)) {
            return false;
        }
    }
    words.next().is_none()
}

fn is_same_word(expected: &str, printed: &str) -> bool {
    expected == printed || kind(expected).is_some_and(|of| kind(printed) == Some(of))
}

/// What a word is that differs from run to run; `None` for all others, which must be the same.
#[must_use]
pub fn kind(word: &str) -> Option<&'static str> {
    let word = word.trim_matches([',', '(', ')', '"']);
    if is_age(word) {
        return Some("age");
    }
    let host = word.split(':').next().unwrap_or_default();
    let parts: Vec<&str> = host.split('.').collect();
    if parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok()) {
        return Some("address");
    }
    if is_pod_of_deployment(word) {
        return Some("pod");
    }
    let clock: Vec<&str> = word.split(':').collect();
    if clock.len() == 3 && clock.iter().all(|part| part.len() == 2 && is_number(part)) {
        return Some("time");
    }
    None
}

/// Such as `42s`, `3m10s`, `2d`.
fn is_age(word: &str) -> bool {
    let mut digits = 0;
    for letter in word.chars() {
        match letter {
            '0'..='9' => digits += 1,
            's' | 'm' | 'h' | 'd' if digits > 0 => digits = 0,
            _ => return false,
        }
    }
    !word.is_empty() && digits == 0
}

/// Such as `demo-router-7d9c6f5b8-x2x9z`: two generated parts at the end.
fn is_pod_of_deployment(word: &str) -> bool {
    let mut parts = word.rsplit('-');
    let is_generated = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| {
            lengths.contains(&part.len())
                && part.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
                && part.chars().any(|c| c.is_ascii_digit())
        })
    };
    let last = parts.next().filter(|last| last.len() == 5);
    last.is_some() && is_generated(parts.next(), 8..=10) && parts.next().is_some()
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# x\n```console\n$ no\n```\n## Here\ntext\n```console\n$ one \\\n  \
        --two\nprinted\n\n$ three\n```\n```\n$ not this\n```\n### Below\n```console\n$ four\na\nb\n\
        ```\n## There\n```console\n$ no\n```\n";

    #[test]
    fn steps_are_those_of_the_section() {
        let found = steps(DOCUMENT, "## Here");
        let commands: Vec<&str> = found.iter().map(|step| step.command.as_str()).collect();
        assert_eq!(commands, ["one \\\n  --two", "three", "four"]);
        let outputs: Vec<usize> = found.iter().map(|step| step.output.len()).collect();
        assert_eq!(outputs, [1, 0, 2]);
        assert_eq!(found.first().map(|step| step.line), Some(8));
    }

    /// Compares, lines separated by `/`.
    fn same(expected: &str, printed: &str) -> bool {
        let expected: Vec<String> = expected.split('/').map(ToOwned::to_owned).collect();
        compare(&expected, &printed.replace('/', "\n")).is_ok()
    }

    #[test]
    fn output_is_compared_word_for_word() {
        assert!(same("NAME  READY  AGE/demo  3/3  5s", "NAME READY   AGE/demo 3/3  1m10s"));
        assert!(!same("demo 3/3", "demo 2/3"));
        assert!(!same("a", "a/b") && !same("a/b", "a") && !same("a b", "a") && !same("a", "a b"));
        assert!(same("a/.../z", "a/b/c/z") && same("a/.../z", "a/z") && !same("a/.../z", "a/b"));
        assert!(same("NAME ...", "NAME of something") && same("...", ""));
        assert!(same("a deleted...", "a deleted from b") && same("a deleted...", "a deleted"));
        assert!(!same("a deleted...", "a created"));
    }

    #[test]
    fn few_words_vary() {
        assert!(same("10.96.0.7:6379 on", "10.96.120.9:6379 on"));
        assert!(same("r-7d9c6f5b8-x2x9z", "r-5f6d8c7b9-abcde") && !same("demo-0", "demo-1"));
        assert!(same("12:00:01", "23:59:59") && !same("12", "13") && !same("s", "m"));
    }
}
