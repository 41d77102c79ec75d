//! The Lambda function: sets up telemetry, settings and adapters once, then runs the loop of the
//! Lambda runtime.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use engine::collect::Engine;
use engine::fleet::dispatch::Fleet;
use engine::ports::{Clock as _, WorkQueue};
use engine::read::Budget;
use engine::task::validate;
use futures_util::FutureExt as _;
use jumpcloud_collector::aws::dynamodb::DynamoDb;
use jumpcloud_collector::aws::s3::S3;
use jumpcloud_collector::aws::secrets::SecretsManager;
use jumpcloud_collector::aws::sqs::Sqs;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::{Config, ConfigError, proxy_from_env};
use jumpcloud_collector::custom_resource::{CallbackError, Request};
use jumpcloud_collector::handler::{InvocationError, handle};
use jumpcloud_collector::http::{Http, with_causes};
use jumpcloud_collector::jumpcloud::{Auth, Client, ConsoleClient};
use jumpcloud_collector::telemetry::{self, Emitter};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

/// What is set up once for all invocations.
type Ready = Arc<(Fleet, Emitter)>;

/// Uses one thread. A function has a fraction of a processor, and a second thread would need memory
/// of its own and lose the processor's cache of a page.
fn main() -> ExitCode {
    let config = Config::from_env();
    telemetry::json(config.as_ref().map_or(tracing::Level::INFO, |config| config.source.log_level));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => {
            tracing::error!(%error, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Result<Config, ConfigError>) -> ExitCode {
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Result<Config, ConfigError>) -> anyhow::Result<()> {
    // Clients and TLS are set up while the runtime requests the first invocation. An error is
    // returned by every invocation, where an operator sees it: the error of a function that exits
    // at its start is easily overlooked.
    let ready = async {
        let config = config.map_err(|error| error.to_string())?;
        let fleet = build(&config).await.map_err(|error| format!("{error:#}"))?;
        Ok(Arc::new((fleet, Emitter::new(config.metrics))))
    };
    let ready = ready.boxed().shared();
    tokio::spawn(ready.clone());
    let serve = |event: LambdaEvent<Value>| {
        let ready = ready.clone();
        async move {
            let deadline_ms = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
            // CloudFormation waits for an answer, so it gets one even if the function could not be
            // set up.
            if let Some(request) = Request::of(&event.payload) {
                return deploy(request, ready, deadline_ms).await.map_err(|e| unanswered(&e));
            }
            let ready = ready.await.map_err(misconfigured)?;
            let (fleet, emitter) = &*ready;
            let budget = Budget { started_ms: SystemClock.now_ms(), deadline_ms };
            // Apart, or the compiler's depth limit is met.
            let handled = Box::pin(handle(fleet, &event.payload, budget, emitter));
            handled.await.map_err(|error| diagnostic(&error))
        }
    };
    lambda_runtime::run(service_fn(serve)).await.map_err(anyhow::Error::from_boxed)
}

/// Checks a deployment and sends the result to CloudFormation, whatever it is.
async fn deploy(
    request: Result<Request, CallbackError>,
    ready: impl Future<Output = Result<Ready, String>> + Clone,
    deadline_ms: i64,
) -> Result<Value, CallbackError> {
    let request = request?;
    let check = |deadline_ms| {
        let ready = ready.clone();
        async move {
            let ready = ready.await?;
            let (Fleet { engine, organizations, .. }, _) = &*ready;
            let budget = Budget { started_ms: SystemClock.now_ms(), deadline_ms };
            let preflight = validate::deployment(engine, organizations, budget).await;
            preflight.failure().map_or(Ok(()), Err)
        }
    };
    let callback = Http::new(proxy_from_env().as_ref())
        .map_err(|error| CallbackError::Unsent(with_causes(error)))?;
    request.serve(check, &callback, &SystemClock, deadline_ms).await
}

async fn build(config: &Config) -> anyhow::Result<Fleet> {
    let proxy = config.source.proxy.as_ref();
    let aws = jumpcloud_collector::aws::load(proxy).await;
    let clock = Arc::new(SystemClock);
    let http = Http::new(proxy).context("set up the HTTP client")?;
    let secrets = Arc::new(SecretsManager::new(&aws, config.secret_id.clone()));
    let endpoints = &config.source.endpoints;
    let auth = Arc::new(Auth::new(secrets, clock.clone(), http.clone(), endpoints.token.clone()));
    let insights = Client::new(http, auth, clock.clone(), endpoints.insights.clone());
    let console = ConsoleClient::beside(&insights, endpoints.console.clone());
    let engine = Engine::new(
        Arc::new(insights),
        Arc::new(console),
        Arc::new(S3::new(&aws, config.s3_path_style)),
        Arc::new(DynamoDb::new(&aws, config.cursor_table.clone())),
        clock,
        config.settings.clone(),
    );
    let queue = |url: &String| Arc::new(Sqs::new(&aws, url.clone())) as Arc<dyn WorkQueue>;
    let queue = config.work_queue_url.as_ref().map(queue);
    let (concurrency, organizations) =
        (config.work_concurrency, config.source.organizations.clone());
    Ok(Fleet { engine, queue, concurrency, organizations })
}

fn diagnostic(error: &InvocationError) -> Diagnostic {
    Diagnostic { error_type: error.name().to_owned(), error_message: error.to_string() }
}

fn unanswered(error: &CallbackError) -> Diagnostic {
    tracing::error!(%error, "no answer was sent to CloudFormation");
    Diagnostic { error_type: "CallbackFailed".to_owned(), error_message: error.to_string() }
}

fn misconfigured(error: String) -> Diagnostic {
    tracing::error!(error, "the function cannot run");
    Diagnostic { error_type: "Misconfigured".to_owned(), error_message: error }
}
