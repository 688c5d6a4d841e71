//! A network definition and a solver to a recipe.

use super::body::{Body, Source};
use super::chain::{Stage, chain};
use super::data::{ImageSettings, MeanSetting, image_settings};
use super::layers::{help, is_loss, is_softmax_loss, operation};
use super::message::Message;
use super::nodes::{Node, Phase, nodes};
use super::operation::Operation;
use super::origin::{Origin, short};
use super::solver::training;
use crate::net::{
    Augment, Difference, EvaluationSpec, Input, Mean, Network, Orientation, Precision, Recipe, Views,
};
use crate::{Error, Result};

/// The side of Caffe's images of ImageNet before they are cropped.
const SQUARE: usize = 256;
/// The number of training images of ILSVRC-2012.
const IMAGES: usize = 1_281_167;

/// What Caffe's definitions lack about the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaffeImages {
    /// The side of the squares before cropping. By default that of the mean image if there is one, else 256 pixels, or the crop
    /// if that is larger.
    pub square: Option<usize>,
    /// The number of training images, which makes steps epochs. By default 1,281,167, those of ILSVRC-2012.
    pub count: Option<usize>,
}

/// A converted definition.
pub(super) struct Definition {
    pub(super) recipe: Recipe,
    /// The layers with weights.
    pub(super) sources: Vec<Source>,
    /// What is subtracted from the pixels.
    pub(super) mean: MeanSetting,
    /// What has no counterpart in recipes, or is assumed, in the function of the network.
    pub(super) gaps: Vec<Difference>,
    /// The same in its training.
    pub(super) training_gaps: Vec<Difference>,
}

/// What is given besides the definitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) images: CaffeImages,
    /// The file of the mean image, whose side is that of the squares.
    pub(super) mean: Option<&'a str>,
}

/// Converts a network definition, and a solver's if there is one.
///
/// # Errors
/// Returns an error if layers have no counterpart in recipes, which are then all listed, if they are not a chain or do not fit
/// each other, or if a value is out of range.
pub(super) fn definition(
    net: (&Message, &Origin),
    solver: Option<(&Message, &Origin)>,
    given: Given<'_>,
) -> Result<Definition> {
    let (message, origin) = net;
    let nodes = nodes(message, origin)?;
    let operations = operations(&nodes, origin)?;
    let declared = message.texts("input");
    let (phase, stages, blob) = main_chain(&nodes, &operations, &declared, origin)?;
    let settings = image_settings(message, (&nodes, &operations), blob, phase, origin)?;
    let (mut gaps, mut training_gaps) = (Vec::new(), Vec::new());
    let (square, crop) = sides(&settings, given, origin, &mut gaps)?;
    let training = training(solver, settings.batch, given.images.count.unwrap_or(IMAGES).max(1))?;
    let mut body = Body::new(&nodes, &operations, origin, crop, f64::from(training.optimizer.decay));
    body.add_all(&stages)?;
    let augment = augment(&settings, square, crop, &mut training_gaps);
    training_gaps.extend(std::mem::take(&mut body.fillers).differences());
    training_gaps.extend(training.gaps);
    training_gaps.extend(other_losses(&nodes, phase));
    gaps.extend(body.renamed());
    gaps.push(difference(
        format!("Squares of {square} pixels are cut out of images whose short side is resized to that"),
        "Caffe's scripts squash images to squares instead",
    ));
    if settings.mean == MeanSetting::Unstated && given.mean.is_none() {
        gaps.push(difference(
            "Assumed: the mean image is subtracted",
            "The definition does not say what is subtracted from the pixels",
        ));
    }
    // The number that Caffe computes with, not the decimal that names it: exporting the network again must give the same.
    let divisor = 1.0 / f64::from((settings.scale * body.scale) as f32);
    let recipe = Recipe {
        name: name(message, origin),
        summary: format!("converted from Caffe's {}", file_name(&origin.name)),
        source: match solver {
            Some((_, solver)) => {
                format!("Caffe, {} and {}", file_name(&origin.name), file_name(&solver.name))
            }
            None => format!("Caffe, {}", file_name(&origin.name)),
        },
        classes: body.classes,
        precision: Precision::F32,
        input: Input {
            square,
            crop,
            orientation: Orientation::Exif,
            mean: mean(&settings.mean),
            divisor: divisor as f32,
            std: None,
        },
        augment,
        optimizer: training.optimizer,
        schedule: training.schedule,
        // As Caffe's test phase, which crops the center.
        evaluation: EvaluationSpec { views: Views::Center },
        differences: gaps.iter().chain(&training_gaps).cloned().collect(),
        edits: Vec::new(),
        layers: body.layers,
    };
    // The checks of any recipe: ranges, and whether the layers fit their inputs.
    let checked = Recipe::parse(&recipe.to_toml(), &origin.name)
        .and_then(|recipe| Network::new(&recipe, recipe.classes).map(|_| recipe));
    let recipe = checked.map_err(|error| Error { kind: origin.kind, ..error })?;
    Ok(Definition { recipe, sources: body.sources, mean: settings.mean, gaps, training_gaps })
}

fn difference(what: impl Into<String>, why: impl Into<String>) -> Difference {
    Difference { what: what.into(), why: why.into() }
}

/// Returns what each layer computes, or an error that lists all layers that recipes lack.
fn operations(nodes: &[Node<'_>], origin: &Origin) -> Result<Vec<Operation>> {
    let mut problems = Vec::new();
    let operations: Vec<Operation> = nodes.iter().map(|node| operation(node, &mut problems)).collect();
    let named: Vec<(&str, &Node<'_>)> =
        nodes.iter().flat_map(|node| node.shared.iter().map(move |name| (*name, node))).collect();
    for (i, (name, node)) in named.iter().enumerate().take(1000) {
        if let Some((_, first)) = named[..i].iter().find(|(other, _)| other == name) {
            let line = node.line.map_or(String::new(), |line| format!("line {line}, "));
            problems.push(format!(
                "{line}layer {}: shares the blob `{}` with layer {}",
                node.shown(),
                short(name),
                first.shown()
            ));
        }
    }
    if problems.is_empty() {
        return Ok(operations);
    }
    let count = problems.len();
    let settings = if count == 1 { "a setting or a layer has" } else { "settings or layers have" };
    let mut error = origin.refuse(None, format!("{count} {settings} no counterpart in recipes"));
    let more = count.saturating_sub(50);
    problems.truncate(50);
    problems.extend((more > 0).then(|| format!("{more} more")));
    for problem in problems {
        error = error.detail(format!("  {problem}"));
    }
    Err(error.help(help()))
}

/// Returns the layers from the images to the logits: those of training, if the definition has them, and otherwise those of
/// testing.
fn main_chain<'m>(
    nodes: &[Node<'m>],
    operations: &[Operation],
    declared: &[&'m str],
    origin: &Origin,
) -> Result<(Phase, Vec<Stage>, &'m str)> {
    let of = |phase| chain(nodes, operations, phase, declared, origin);
    let has_phases = nodes.iter().any(|node| node.phases.train != node.phases.test);
    if !has_phases {
        let (stages, blob) = of(Phase::Test)?;
        return Ok((Phase::Test, stages, blob));
    }
    // A phase with data of its own must be whole. Otherwise the definition may be for the other one only.
    let has_own_data = |phase: Phase| {
        let is_own = |node: &Node<'_>| node.phases.has(phase) && node.phases.train != node.phases.test;
        nodes.iter().zip(operations).any(|(node, operation)| *operation == Operation::Source && is_own(node))
    };
    let whole = |phase: Phase| match of(phase) {
        Err(error) if has_own_data(phase) => Err(error),
        other => Ok(other),
    };
    match (whole(Phase::Train)?, whole(Phase::Test)?) {
        (Ok((train, blob)), Ok((test, _))) => {
            check_same(&train, &test, nodes, operations, origin)?;
            Ok((Phase::Train, train, blob))
        }
        (Ok((train, blob)), Err(_)) => Ok((Phase::Train, train, blob)),
        (Err(_), Ok((test, blob))) => Ok((Phase::Test, test, blob)),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Returns an error if training and testing have other layers, apart from dropout.
fn check_same(
    train: &[Stage],
    test: &[Stage],
    nodes: &[Node<'_>],
    operations: &[Operation],
    origin: &Origin,
) -> Result<()> {
    let is_dropout = |stage: &&Stage| match stage {
        Stage::Layer(at) => matches!(operations[*at], Operation::Dropout { .. }),
        Stage::Columns { .. } => false,
    };
    let other = |some: &[Stage], others: &[Stage]| {
        let only = some.iter().filter(|stage| !is_dropout(stage)).find(|stage| !others.contains(stage));
        only.map(|stage| match stage {
            Stage::Layer(at) | Stage::Columns { concat: at, .. } => *at,
        })
    };
    match other(train, test).or_else(|| other(test, train)) {
        None => Ok(()),
        Some(at) => Err(nodes[at]
            .refuse(origin, "part of the network in one phase only, training or testing")
            .help("recipes have the same layers in both, apart from dropout")),
    }
}

/// Returns the sides of squares and crops.
fn sides(
    settings: &ImageSettings,
    given: Given<'_>,
    origin: &Origin,
    gaps: &mut Vec<Difference>,
) -> Result<(usize, usize)> {
    let stated = given.images.square.or(settings.square);
    let Some(crop) = settings.crop.or(stated) else {
        return Err(origin
            .refuse(None, "the definition does not state the size of the input")
            .help("state the side of the images: `--square 32`, or write `crop_size` in the data layer"));
    };
    let square = stated.unwrap_or(SQUARE.max(crop));
    if !(crop..=4096).contains(&square) {
        let expected = format!("expected {crop}, the crop of {}, to 4096", origin.name);
        return Err(match given.mean {
            Some(mean) => Origin::binary(mean)
                .refuse(None, format!("a mean image of {square} x {square} pixels, {expected}"))
                .help("specify the mean image that the network was trained with"),
            None => Error::usage(format!("squares of {square} pixels, {expected}"))
                .help(format!("`--square {}`", SQUARE.max(crop))),
        });
    }
    if stated.is_none() {
        gaps.push(difference(
            format!("Assumed: squares of {square} pixels before cropping"),
            "Caffe's definitions do not state it; `--square` and the mean image do",
        ));
    }
    Ok((square, crop))
}

fn augment(settings: &ImageSettings, square: usize, crop: usize, gaps: &mut Vec<Difference>) -> Augment {
    let is_cropped = crop < square;
    let random_crop = is_cropped && settings.is_cropped.unwrap_or(true);
    let flip = settings.is_mirrored.unwrap_or(is_cropped);
    if settings.is_mirrored.is_none() {
        let crops = match random_crop {
            true => format!("random crops of {crop} pixels and flips"),
            false => "no crops and no flips".to_owned(),
        };
        gaps.push(difference(
            format!("Assumed: {crops} in training"),
            "The definition has no training data; it only matters for a new training",
        ));
    }
    Augment { random_crop, flip, color_noise: 0.0 }
}

fn mean(mean: &MeanSetting) -> Mean {
    match mean {
        MeanSetting::Unstated | MeanSetting::File(_) => Mean::Image,
        MeanSetting::Zero => Mean::Fixed([0.0; 3]),
        MeanSetting::Values(values) => Mean::Fixed(values.map(|value| value as f32)),
    }
}

/// Names losses other than the cross-entropy.
fn other_losses(nodes: &[Node<'_>], phase: Phase) -> Vec<Difference> {
    let losses = nodes.iter().filter(|node| node.phases.has(phase) && is_loss(node.kind));
    let others = losses.filter(|node| !is_softmax_loss(node.kind));
    let gap = |node: &Node<'_>| {
        difference(
            "Training minimizes the cross-entropy of the softmax",
            format!(
                "The loss of layer {}, {}, has no counterpart in recipes",
                node.shown(),
                short(node.kind)
            ),
        )
    };
    others.map(gap).collect()
}

/// The name of the network, or else of its file.
fn name(net: &Message, origin: &Origin) -> String {
    let named = net.text("name").map(short).filter(|name| !name.trim().is_empty());
    named.unwrap_or_else(|| {
        let file = file_name(&origin.name);
        file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
    })
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    let is_named = |name: &&str| !name.is_empty();
    path.rsplit(['/', '\\']).find(is_named).unwrap_or(path)
}
