//! The built function as a child process.

use std::ffi::OsString;
use std::fs::File;
use std::io::pipe;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use fixtures::environment::Environment;
use fixtures::runtime::{Runtime, Said};

/// How long a process may take to ask for its first invocation before the test gives up.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How an invocation ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Response(Value),
    Error(Value),
    /// The process ended without an answer.
    Died,
    /// The deadline passed, and like Lambda this killed the process.
    TimedOut,
}

/// A running function; it is killed when this value is dropped.
pub struct Function {
    child: Arc<Mutex<Child>>,
    runtime: Runtime,
    /// What it wrote; a file, so that all that was written before an answer is there with it.
    output: File,
    ended: watch::Receiver<bool>,
    spawned: Instant,
}

impl Function {
    /// Starts the function with the environment's variables, and these in place of its own.
    pub async fn spawn(environment: &Environment, overrides: &[(&str, &str)]) -> Self {
        let runtime = Runtime::start().await;
        let (mut reader, writer) = pipe().expect("a pipe");
        let mut command = Command::new(program());
        command
            .env_clear()
            .envs(environment.variables())
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address());
        command.envs(overrides.iter().copied());
        let output = tempfile::tempfile().expect("a file for its output");
        command.stdout(output.try_clone().expect("a second handle")).stderr(writer);
        let spawned = Instant::now();
        let child = environment
            .aws
            .proxy
            .spawn_victim(|| command.spawn().expect("the built function starts"));
        drop(command);

        let (end, ended) = watch::channel(false);
        let mut captured = output.try_clone().expect("a third handle");
        // A pipe, because its end tells when the process ended.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut reader, &mut captured);
            let _ = end.send(true);
        });
        Self { child, runtime, output, ended, spawned }
    }

    /// Runs one invocation to its end; its deadline is `limit` from now.
    pub async fn invoke(&self, event: &str, limit: Duration) -> Outcome {
        self.runtime.enqueue(event, limit);
        let mut ended = self.ended.clone();
        let outcome = timeout(limit, async {
            tokio::select! {
                biased;
                said = self.runtime.said() => Some(said),
                _ = ended.wait_for(|ended| *ended) => self.runtime.said_already().await,
            }
        });
        match outcome.await {
            Ok(Some(Said::Response(body))) => Outcome::Response(body),
            Ok(Some(Said::Error(body))) => Outcome::Error(body),
            Ok(None) => Outcome::Died,
            Err(_) => {
                self.kill();
                Outcome::TimedOut
            }
        }
    }

    /// Runs one invocation that must succeed, and returns its report.
    #[track_caller]
    pub fn run(&self, event: &str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            match self.invoke(event, fixtures::environment::INVOCATION_LIMIT).await {
                Outcome::Response(report) => report,
                other => panic!("{caller}: {event} ended as {other:?}\n{}", self.output()),
            }
        }
    }

    /// Runs one invocation that must fail, and returns the error's message.
    #[track_caller]
    pub fn fail(&self, event: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            match self.invoke(event, fixtures::environment::INVOCATION_LIMIT).await {
                Outcome::Error(error) => {
                    error["errorMessage"].as_str().expect("an errorMessage").to_owned()
                }
                other => panic!("{caller}: {event} ended as {other:?}\n{}", self.output()),
            }
        }
    }

    /// Time from the start of the process to its first request for an invocation.
    pub async fn start_time(&self) -> Duration {
        let first = timeout(START_LIMIT, self.runtime.first_next()).await;
        first.unwrap_or_else(|_| panic!("never asked for work\n{}", self.output())) - self.spawned
    }

    /// The process's number.
    pub fn process(&self) -> u32 {
        lock(&self.child).id()
    }

    /// The most memory the process has had resident so far, in bytes.
    pub fn peak_resident_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process());
        let status = std::fs::read_to_string(status).expect("the process is running");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a VmHWM line");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024
    }

    /// Kills the process at once.
    pub fn kill(&self) {
        lock(&self.child).kill().expect("a child can be killed");
    }

    /// Everything the process wrote to its log so far.
    pub fn output(&self) -> String {
        let length = self.output.metadata().expect("a length").len();
        let mut bytes = vec![0; usize::try_from(length).expect("a short file")];
        // At a position: the handles share the one at which the process writes.
        self.output.read_exact_at(&mut bytes, 0).expect("what was written");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The function that Cargo built beside the tests, or the one `FUNCTION_PROGRAM` names.
fn program() -> OsString {
    std::env::var_os("FUNCTION_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into())
}

impl Drop for Function {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
