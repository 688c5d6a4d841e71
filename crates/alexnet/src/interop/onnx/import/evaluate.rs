//! Goes through the nodes of a graph, and finds its layers.

use std::collections::{HashMap, HashSet};

use super::apply::apply;
use super::array::Size;
use super::operator::Operator;
use super::problem::{Supported, label, shown};
use super::state::{State, Value};
use crate::interop::onnx::proto::{GraphProto, NodeProto};

/// Goes through the nodes that `output` depends on, and finds what each computes.
pub(super) fn evaluate<'a>(state: &mut State<'a>, graph: &'a GraphProto, output: &'a str) {
    let live = live_nodes(graph, [output]);
    *state.readers.entry(output).or_default() += 1;
    for &at in &live {
        for name in inputs_of(&graph.node[at]) {
            *state.readers.entry(name).or_default() += 1;
        }
    }
    run(state, graph, &live);
}

/// The positions of the nodes that outputs depend on, in their order.
fn live_nodes<'a>(graph: &'a GraphProto, outputs: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            producers.entry(name).or_insert(at);
        }
    }
    let (mut live, mut open) = (HashSet::new(), Vec::from_iter(outputs));
    while let Some(name) = open.pop() {
        if let Some(&at) = producers.get(name)
            && live.insert(at)
        {
            open.extend(inputs_of(&graph.node[at]));
        }
    }
    let mut live: Vec<usize> = live.into_iter().collect();
    live.sort_unstable();
    live
}

/// The names that a node reads, also in its branches.
fn inputs_of(node: &NodeProto) -> Vec<&str> {
    let own = node.input.iter().map(String::as_str);
    let branches = node.attribute.iter().filter_map(|attribute| attribute.g.as_deref());
    let inner = branches.flat_map(|branch| branch.node.iter().flat_map(inputs_of));
    own.chain(inner).filter(|name| !name.is_empty()).collect()
}

fn run<'a>(state: &mut State<'a>, graph: &'a GraphProto, positions: &[usize]) {
    for &at in positions {
        let node = &graph.node[at];
        state.place = label(node);
        let results = Operator::of(node, state.opset).and_then(|operator| {
            let inputs = inputs(state, node)?;
            match inputs.iter().any(|value| matches!(value, Value::Unknown)) {
                true => Ok(Vec::new()),
                false => match operator {
                    Operator::If { branches } => branch(state, branches, &inputs),
                    operator => apply(state, node, &operator, &inputs),
                },
            }
        });
        let results = results.unwrap_or_else(|what| {
            let place = state.place.clone();
            state.report(&place, what);
            Vec::new()
        });
        for (at, name) in node.output.iter().enumerate() {
            let value = results.get(at).cloned().unwrap_or(Value::Unknown);
            if at > 0
                && matches!(value, Value::Unknown)
                && !results.is_empty()
                && state.readers.contains_key(name.as_str())
            {
                let place = state.place.clone();
                state.report(&place, format!("its output {} is used", at + 1));
            }
            state.values.insert(name, value);
        }
    }
}

/// The values of a node's inputs. Those that are left out in the end are missing, others are unknown.
fn inputs<'a>(state: &State<'a>, node: &'a NodeProto) -> Supported<Vec<Value<'a>>> {
    let value = |name: &'a String| match state.values.get(name.as_str()) {
        Some(value) => Ok(value.clone()),
        None if name.is_empty() => Ok(Value::Absent),
        None => Err(format!("its input `{}` is computed by no node before it", shown(name))),
    };
    let mut inputs = node.input.iter().map(value).collect::<Supported<Vec<_>>>()?;
    while matches!(inputs.last(), Some(Value::Absent)) {
        inputs.pop();
    }
    Ok(inputs)
}

/// The outputs of the branch that a constant condition chooses.
fn branch<'a>(
    state: &mut State<'a>,
    [then, otherwise]: [&'a GraphProto; 2],
    inputs: &[Value<'a>],
) -> Supported<Vec<Value<'a>>> {
    let condition = state.sizes(inputs.first().unwrap_or(&Value::Absent));
    let branch = match condition.as_ref().map(|condition| condition.data.as_slice()) {
        Ok([Size::Known(0)]) => otherwise,
        Ok([Size::Known(_)]) => then,
        Ok(_) | Err(_) => {
            return Err("its condition depends on the images: branches are not supported".into());
        }
    };
    let place = state.place.clone();
    add_constants(state, branch);
    // Once for all outputs: nodes in nested branches would run as often as the product of the numbers of outputs.
    run(state, branch, &live_nodes(branch, branch.output.iter().map(|output| output.name.as_str())));
    state.place = place;
    let value = |name: &String| state.values.get(name.as_str()).cloned();
    branch
        .output
        .iter()
        .map(|output| {
            value(&output.name).ok_or_else(|| format!("its output `{}` is not computed", shown(&output.name)))
        })
        .collect()
}

/// Adds the constant arrays of a graph.
pub(super) fn add_constants<'a>(state: &mut State<'a>, graph: &'a GraphProto) {
    for tensor in &graph.initializer {
        state.values.insert(&tensor.name, Value::Stored(tensor));
    }
}
