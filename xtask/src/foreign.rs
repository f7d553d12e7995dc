//! Shell. `cargo xtask foreign`: what others have written for Redis, against ringkv. Provides
//! Debian's redis-server, the Tcl suite of its sources, and redis-py with its tests; what cannot be
//! had is skipped, and said so, or fails where nothing may be skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::redis_tools::{apt_get, is_root, on_path};
use crate::stage::Report;
use crate::suite::Options;
use crate::{release, root};

/// Programs, and the packages of Debian that have them.
const PROGRAMS: [(&str, &str); 2] = [("redis-server", "redis-server"), ("tclsh", "tcl")];
/// The version whose suite and whose answers are the measure.
const REDIS_VERSION: &str = "7.0.";
/// redis-py, and what its tests need.
const REDIS_PY: &str = "redis==8.1.0";
const PYTHON_PACKAGES: [&str; 9] = [
    REDIS_PY,
    "hiredis",
    "hatchling",
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "mock",
    "cachetools",
    "packaging",
];

/// Where the parts are, as far as they are there.
#[derive(Default)]
struct Parts {
    redis_sources: Option<PathBuf>,
    redis_py: Option<PathBuf>,
}

/// Runs the tests whose names contain one of the words, or all of them.
pub(crate) fn run(flags: &[String]) -> anyhow::Result<()> {
    let (mut words, mut environment) = (Vec::new(), Vec::new());
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let name = match flag.as_str() {
            "--commands" => "RINGKV_FOREIGN_COMMANDS",
            "--seed" => "RINGKV_FOREIGN_SEED",
            _ => {
                words.push(flag.clone());
                continue;
            }
        };
        let value = flags.next().with_context(|| format!("{flag} needs a number"))?;
        let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
        environment.push((name, number.to_string()));
    }
    let mut report = Report::new();
    let options = Options::default();
    release::build(&mut report, options)?;
    tests(&mut report, options, &words, environment)?;
    report.finish();
    Ok(())
}

/// The stages of a test run, on the release build that is there.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    tests(report, options, &[], Vec::new())
}

fn tests(
    report: &mut Report,
    options: Options,
    words: &[String],
    environment: Vec<(&str, String)>,
) -> anyhow::Result<()> {
    let mut parts = Parts::default();
    report.call("what others have written for Redis", || {
        parts = provide(options)?;
        Ok(())
    })?;
    let mut command = release::tests(options, &["--test", "foreign"]);
    command.args(["--", "--nocapture", "--test-threads=1"]);
    command.args(words).envs(environment);
    if options.ci {
        command.env("RINGKV_REQUIRE_FOREIGN", "1");
    }
    for (name, part) in
        [("RINGKV_REDIS_SOURCES", parts.redis_sources), ("RINGKV_REDIS_PY", parts.redis_py)]
    {
        if let Some(path) = part {
            command.env(name, path);
        }
    }
    report.run("tests that others have written for Redis", &mut command)
}

fn provide(options: Options) -> anyhow::Result<Parts> {
    let directory = root().join("target/foreign");
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let skip = |what: &str, error: anyhow::Error| {
        ensure!(!options.ci, "{what}: {error:#}");
        println!("skipped: {what}: {error:#}");
        Ok(())
    };
    if let Err(error) = programs(!options.no_install) {
        skip("tests that need redis-server and tclsh", error)?;
    }
    let mut parts = Parts::default();
    match redis_sources(&directory) {
        Ok(_) if !on_path("tclsh") => {}
        Ok(path) => parts.redis_sources = Some(path),
        Err(error) => skip("the Tcl suite of Redis", error)?,
    }
    match redis_py(&directory.join("redis-py"), !options.no_install) {
        Ok(path) => parts.redis_py = Some(path),
        Err(error) => skip("the tests of redis-py", error)?,
    }
    Ok(parts)
}

fn programs(may_install: bool) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(name, _)| !on_path(name)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("not installed; on Debian: apt-get install {}", missing.join(" "));
    ensure!(may_install && Path::new("/etc/debian_version").exists() && is_root(), "{advice}");
    println!("installing {} (`--no-install` forbids that)", missing.join(" "));
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    let install: Vec<&str> = install.into_iter().chain(missing).collect();
    ensure!(apt_get(&["update", "--quiet"]) && apt_get(&install), "{advice}");
    Ok(())
}

/// The sources of Debian's Redis, with a list of sources of their own: that of the machine is left
/// as it is.
fn redis_sources(directory: &Path) -> anyhow::Result<PathBuf> {
    if let Some(found) = unpacked(directory, "redis-")? {
        return Ok(found);
    }
    let apt = directory.join("apt");
    let parts = apt.join("parts");
    fs::create_dir_all(&parts)?;
    fs::create_dir_all(apt.join("lists/partial"))?;
    copy_sources(Path::new("/etc/apt"), &parts)?;
    let options = [
        format!("Dir::Etc::sourceparts={}", parts.display()),
        "Dir::Etc::sourcelist=/dev/null".to_owned(),
        format!("Dir::State::lists={}", apt.join("lists").display()),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        options.iter().for_each(|option| {
            command.args(["-o", option]);
        });
        succeed(command.args(["-qq"]).args(arguments).current_dir(directory))
    };
    apt_get(&["update"])?;
    apt_get(&["source", "--download-only", "redis"])?;
    let mut names =
        fs::read_dir(directory)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let wanted = format!("redis_{REDIS_VERSION}");
    let archive = names
        .find(|name| name.starts_with(&wanted) && name.ends_with(".orig.tar.gz"))
        .with_context(|| format!("this system's package is not Redis {REDIS_VERSION}x"))?;
    succeed(Command::new("tar").args(["xzf", &archive]).current_dir(directory))?;
    unpacked(directory, "redis-")?.context("the archive has no directory of that name")
}

/// Copies the lists of packages as lists of sources.
fn copy_sources(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut files = vec![from.join("sources.list")];
    if let Ok(entries) = fs::read_dir(from.join("sources.list.d")) {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let lines = text.lines().map(|line| match line.split_once(' ') {
            Some(("deb", rest)) => format!("deb-src {rest}\n"),
            Some(("Types:", _)) => "Types: deb-src\n".to_owned(),
            _ => format!("{line}\n"),
        });
        let name = file.file_name().unwrap_or_default();
        fs::write(to.join(name), lines.collect::<String>())?;
    }
    Ok(())
}

/// A virtual environment with redis-py, and the sources of that version beside it.
fn redis_py(directory: &Path, may_install: bool) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let (environment, sources) = (directory.join("venv"), directory.join("sources"));
    let pip = environment.join("bin/pip");
    if !sources.exists() {
        virtual_environment(&environment, may_install)?;
        succeed(Command::new(&pip).args(["install", "--quiet"]).args(PYTHON_PACKAGES))?;
        // hatchling builds it, and has to be found while pip looks into the sources.
        let download = ["download", "--quiet", "--no-deps", "--no-binary", ":all:"];
        succeed(
            Command::new(&pip)
                .args(download)
                .args(["--no-build-isolation", REDIS_PY])
                .current_dir(directory),
        )?;
        let archive = format!("{}.tar.gz", REDIS_PY.replace("==", "-"));
        succeed(Command::new("tar").args(["xzf", &archive]).current_dir(directory))?;
        fs::rename(directory.join(REDIS_PY.replace("==", "-")), &sources)?;
    }
    Ok(directory.to_path_buf())
}

fn virtual_environment(environment: &Path, may_install: bool) -> anyhow::Result<()> {
    let make = || succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment));
    let Err(error) = make() else { return Ok(()) };
    let may_install = may_install && Path::new("/etc/debian_version").exists() && is_root();
    let installed = may_install
        && apt_get(&["update", "--quiet"])
        && apt_get(&["install", "--yes", "--quiet", "--no-install-recommends", "python3-venv"]);
    if installed { make() } else { Err(error) }
        .context("no virtual environment; on Debian: apt-get install python3-venv")
}

/// The directory whose name begins so, if there is one.
fn unpacked(directory: &Path, beginning: &str) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("{beginning}{REDIS_VERSION}")) && path.is_dir() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
