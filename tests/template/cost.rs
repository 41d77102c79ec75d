//! What a stack costs that does nothing: a table of `docs/cost.md`, made of the template.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::iam::stack::Stack;
use crate::reading::{path, properties, template, text};

const SECRET_DOLLARS: f64 = 0.40;
const METRIC_DOLLARS: f64 = 0.30;
const ALARM_DOLLARS: f64 = 0.10;
/// The fixed part of a stack with standard metrics costs no more, its dashboard apart.
const DOLLARS_MAX: f64 = 5.0;

/// The sets of parameters that the page shows.
const SETS: [(&str, &[(&str, &str)]); 5] = [
    ("defaults", &[]),
    ("`JumpCloudOrgIds=discover`", &[("JumpCloudOrgIds", "discover")]),
    ("`SystemUsers=daily`", &[("SystemUsers", "daily")]),
    ("both", &[("JumpCloudOrgIds", "discover"), ("SystemUsers", "daily")]),
    ("`Metrics=detailed`", &[("Metrics", "detailed")]),
];

/// The metrics of ours that the alarms of a stack use, and how many alarms it has.
fn watched(template: &Value, stack: &Stack) -> (BTreeSet<String>, usize) {
    let alarms = stack.ids("AWS::CloudWatch::Alarm");
    let own = alarms.iter().map(|id| properties(template, id));
    let own = own.filter(|alarm| alarm["Namespace"] == "JumpCloudCollector");
    (own.map(|alarm| text(&alarm["MetricName"])).collect(), alarms.len())
}

/// The metrics of ours that only detailed ones have: those of the dashboard that no alarm uses.
fn detailed(template: &Value, stack: &Stack) -> BTreeSet<String> {
    let body = text(&properties(template, "OperationsDashboard")["DashboardBody"]);
    let named = body.split("[\"JumpCloudCollector\", \"").skip(1);
    let named: BTreeSet<_> =
        named.filter_map(|part| part.split('"').next()).map(str::to_owned).collect();
    let everything = Stack::of(&[("JumpCloudOrgIds", "discover"), ("SystemUsers", "daily")]);
    let (standard, _) = watched(template, &everything);
    let is_there = |name: &&String| **name != "UsersDelivered" || stack.condition("TakesSnapshots");
    named.difference(&standard).filter(is_there).cloned().collect()
}

#[test]
fn the_page_on_cost_has_the_fixed_part_of_a_stack() {
    let template = template();
    let mut table = "| parameters | metrics | alarms | a month |\n|---|---|---|---|\n".to_owned();
    for (name, set) in SETS {
        let stack = Stack::of(set);
        let (mut metrics, alarms) = watched(&template, &stack);
        if stack.condition("HasDetailedMetrics") {
            metrics.append(&mut detailed(&template, &stack));
        } else {
            assert!(metrics.len() <= 10, "{name}: {metrics:?}");
        }
        let metrics = metrics.len();
        let dollars = metrics as f64 * METRIC_DOLLARS + alarms as f64 * ALARM_DOLLARS;
        let dollars = SECRET_DOLLARS + dollars;
        assert!(dollars <= DOLLARS_MAX || name == "`Metrics=detailed`", "{name}: ${dollars}");
        writeln!(table, "| {name} | {metrics} | {alarms} | ${dollars:.2} |").unwrap();
    }
    let page = fs::read_to_string(path("docs/cost.md")).unwrap();
    assert!(page.contains(&table), "docs/cost.md does not have this table:\n\n{table}");
}
