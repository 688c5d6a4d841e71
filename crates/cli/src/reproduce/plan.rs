//! The plan as JSON.

use serde_json::{Value, json};

use alexnet::reproduce::ExperimentPlan;
use alexnet::reproduce::plan::PlannedArm;

pub(super) fn json(plan: &ExperimentPlan) -> Value {
    let speed = plan.speed.iter().flat_map(|speed| &speed.arms);
    let comparisons = plan.comparisons.iter().map(|comparison| {
        let [with, without] = comparison.names();
        json!({ "experiment": comparison.experiment.name(), "with": with, "without": without })
    });
    let left_out = plan.left_out.iter();
    let left_out =
        left_out.map(|(experiment, reason)| json!({ "experiment": experiment.name(), "reason": reason }));
    json!({
        "recipe": plan.recipe,
        "seeds": plan.seeds,
        "epochs": plan.epochs,
        "experiments": plan.experiments.iter().map(|experiment| experiment.name()).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "arms": plan.arms.iter().chain(speed).map(arm).collect::<Vec<_>>(),
        "comparisons": comparisons.collect::<Vec<_>>(),
        "trainings": plan.runs(),
        "complete": plan.remaining.map(|remaining| remaining.complete),
        "seconds": plan.remaining.map(|remaining| remaining.seconds),
        "power": plan.power(),
        "notes": plan.notes,
    })
}

fn arm(planned: &PlannedArm) -> Value {
    json!({
        "name": planned.arm.name,
        "edits": planned.arm.edits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "parameters": planned.parameters,
        "macs": planned.macs,
        "reshaped": planned.reshaped,
    })
}
