//! The order of the layers, and their columns.

use super::ini::short;
use super::layers::{Kind, Layer, different_key};
use crate::{Error, Result};

/// A layer of the network: the parts of all its columns.
pub(super) struct Stage {
    /// The parts, as positions among the layers of the file, in the order of columns.
    pub(super) parts: Vec<usize>,
    pub(super) wiring: Wiring,
}

/// How the parts are connected to those of the stage before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wiring {
    /// Each to its own column.
    Separate,
    /// Each to all columns.
    Full,
}

/// Puts the layers from the images to the softmax in order.
///
/// # Errors
/// Returns an error if the layers are not a chain of columns: if inputs are unknown, form a cycle or a branch, or if
/// columns are connected in part.
pub(super) fn chain(origin: &str, layers: &[Layer<'_, '_>]) -> Result<Vec<Stage>> {
    let inputs = resolve(layers)?;
    check_acyclic(layers, &inputs)?;
    let (cost, images) = ends(origin, layers, &inputs)?;
    let mut stages = Vec::new();
    let mut columns = vec![images];
    loop {
        let uses = |part: &usize| inputs[*part].iter().any(|input| columns.contains(input));
        let mut next: Vec<usize> = (0..layers.len()).filter(uses).collect();
        if next == [cost] {
            return Ok(stages);
        }
        check_columns(layers, &inputs, &columns, &next)?;
        let wiring = wiring(layers, &inputs, &columns, &next)?;
        match wiring {
            Wiring::Separate => next.sort_by_key(|&part| columns.iter().position(|&c| c == inputs[part][0])),
            Wiring::Full => next.sort_by_key(|&part| layers[part].gpu),
        }
        columns.clone_from(&next);
        stages.push(Stage { parts: next, wiring });
    }
}

/// Resolves the names of inputs to positions.
fn resolve(layers: &[Layer<'_, '_>]) -> Result<Vec<Vec<usize>>> {
    let find = |layer: &Layer<'_, '_>, input: &str| {
        layers.iter().position(|other| other.section.name == input).ok_or_else(|| {
            layer
                .section
                .refuse(format!("the input `{}` is unknown", short(input)))
                .help(format!("write `[{}]`, or correct `inputs`", short(input)))
        })
    };
    layers.iter().map(|layer| layer.inputs.iter().map(|input| find(layer, input)).collect()).collect()
}

/// Returns an error if inputs form a cycle.
fn check_acyclic(layers: &[Layer<'_, '_>], inputs: &[Vec<usize>]) -> Result<()> {
    let mut is_done = vec![false; layers.len()];
    loop {
        let ready = (0..layers.len()).find(|&i| !is_done[i] && inputs[i].iter().all(|&input| is_done[input]));
        match ready {
            Some(layer) => is_done[layer] = true,
            None => break,
        }
    }
    let Some(first) = is_done.iter().position(|done| !done) else { return Ok(()) };
    // Every layer that is left has an input that is left: following them leads into the cycle.
    let before = |at: usize| inputs[at].iter().copied().find(|&input| !is_done[input]).unwrap_or(at);
    let start = (0..layers.len()).fold(first, |at, _| before(at));
    let mut cycle = vec![start];
    while let Some(&last) = cycle.last()
        && (cycle.len() == 1 || last != start)
    {
        cycle.push(before(last));
    }
    let names: Vec<String> =
        cycle.iter().rev().map(|&at| format!("[{}]", short(layers[at].section.name))).collect();
    Err(layers[start]
        .section
        .refuse(format!("the inputs form a cycle: {}", names.join(" -> ")))
        .help("correct `inputs`: each layer comes after its inputs"))
}

/// Returns the positions of the cost and of the images.
fn ends(origin: &str, layers: &[Layer<'_, '_>], inputs: &[Vec<usize>]) -> Result<(usize, usize)> {
    let all = |wanted: Kind| (0..layers.len()).filter(move |&i| layers[i].kind == wanted);
    let costs: Vec<usize> = all(Kind::Cost).collect();
    let [cost] = costs[..] else {
        return Err(Error::usage(format!(
            "{origin}: {} layers of type cost.logreg, expected 1",
            costs.len()
        ))
        .help("write `[logprob]` with `type = cost.logreg` and `inputs = labels,probs`"));
    };
    let is_label = |&input: &usize| layers[input].kind == Kind::Data;
    let [labels, probabilities] = inputs[cost][..] else {
        return Err(layers[cost]
            .section
            .refuse(format!("{} inputs, expected 2", inputs[cost].len()))
            .help("write `inputs = labels,probs`"));
    };
    if !is_label(&labels) || layers[probabilities].kind != Kind::Softmax {
        return Err(layers[cost]
            .section
            .refuse("its inputs are not data and a softmax")
            .help("write `inputs = labels,probs`"));
    }
    let images: Vec<usize> = all(Kind::Data).filter(|&data| data != labels).collect();
    match images[..] {
        [images] => Ok((cost, images)),
        _ => Err(Error::usage(format!(
            "{origin}: {} layers of type data besides the labels, expected 1",
            images.len()
        ))
        .help("write `[data]` with `type = data` and `dataIdx = 0`")),
    }
}

/// Checks that the layers after `columns` use only those, and all of them, and that they are of one kind.
fn check_columns(
    layers: &[Layer<'_, '_>],
    inputs: &[Vec<usize>],
    columns: &[usize],
    next: &[usize],
) -> Result<()> {
    let name = |part: usize| short(layers[part].section.name);
    let branch = "a recipe is a chain of layers, in columns that are connected one by one, or all to all";
    for &part in next {
        if let Some(&other) = inputs[part].iter().find(|input| !columns.contains(input)) {
            let message =
                format!("the input [{}] is not of the same layer as [{}]", name(other), name(columns[0]));
            return Err(layers[part].section.refuse(message).help(branch));
        }
    }
    for &column in columns {
        if !next.iter().any(|&part| inputs[part].contains(&column)) {
            let message = match next.is_empty() {
                true => "no layer uses its outputs, and it is not the softmax".to_owned(),
                false => format!("no layer uses its outputs, unlike those of [{}]", name(inputs[next[0]][0])),
            };
            return Err(layers[column].section.refuse(message).help(branch));
        }
    }
    let first = &layers[next[0]];
    for &part in &next[1..] {
        let layer = &layers[part];
        if layer.kind != first.kind || layer.neuron != first.neuron {
            let what = different_key(first, layer).unwrap_or("type");
            return Err(layer
                .section
                .refuse(format!(
                    "`{what}` differs from that of [{}], the part of another column",
                    name(next[0])
                ))
                .help("columns of a recipe have the same layers with the same settings"));
        }
    }
    Ok(())
}

fn wiring(
    layers: &[Layer<'_, '_>],
    inputs: &[Vec<usize>],
    columns: &[usize],
    next: &[usize],
) -> Result<Wiring> {
    let is_separate = next.len() == columns.len() && next.iter().all(|&part| inputs[part].len() == 1);
    if is_separate {
        // Each column is used, so each by one part.
        return Ok(Wiring::Separate);
    }
    let Some(part) = next.iter().find(|&&part| inputs[part].len() != columns.len()) else {
        return match layers[next[0]].kind.has_weights() {
            true => Ok(Wiring::Full),
            false => Err(layers[next[0]]
                .section
                .refuse("several columns become one, or one several, in a layer without weights")
                .help("connect columns by a conv or fc layer")),
        };
    };
    let message = format!(
        "it uses {} of {} columns, expected all of them, or each part its own",
        inputs[*part].len(),
        columns.len()
    );
    Err(layers[*part].section.refuse(message).help("connect columns one by one, or all to all"))
}
