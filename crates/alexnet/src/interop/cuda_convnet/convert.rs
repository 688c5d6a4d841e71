//! Both files to a recipe.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::chain::{Stage, chain};
use super::curves::Change;
use super::gaps::{ignored, names};
use super::ini::Document;
use super::layers::{Kind, Layer, layers};
use super::notes::Notes;
use super::rates::{Rates, most_common};
use super::recipe::{Layers, Made};
use crate::error::shell;
use crate::net::{
    Algorithm, Augment, Difference, EvaluationSpec, Init, Input, LrSchedule, Mean, Network, Optimizer,
    Orientation, Precision, Recipe, Schedule, Views, WeightSpec,
};
use crate::{Error, Result};

/// The largest file that is read, in bytes. Those of the program are below 10 KB.
const MAX_FILE: u64 = 1 << 20;
/// The number of epochs if the files have none.
const EPOCHS: usize = 90;
/// The size of the program's batches.
const BATCH: usize = 128;

/// The size of images, which the program's files lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// The side of the squares. By default 256 pixels if the first layer has a stride, as on ImageNet, and otherwise 32, as
    /// on CIFAR-10.
    pub square: Option<usize>,
    /// The side of the crops. By default 224 of 256 pixels, and otherwise the whole square.
    pub crop: Option<usize>,
}

/// A converted network.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The recipe. Its differences from the paper include [`Converted::gaps`].
    pub recipe: Recipe,
    /// The layers, and the sections that they were made of.
    pub layers: Vec<Made>,
    /// What has no counterpart in recipes, or is assumed.
    pub gaps: Vec<Difference>,
}

/// Reads and converts a file of layers and one of parameters.
///
/// # Errors
/// Returns an error if a file cannot be read, or as [`convert`] does.
pub fn read(layers: &Path, parameters: &Path, images: Images) -> Result<Converted> {
    let (layers_text, parameters_text) = (text(layers)?, text(parameters)?);
    let name = |path: &Path| path.display().to_string();
    convert((&layers_text, &name(layers)), (&parameters_text, &name(parameters)), images)
}

fn text(path: &Path) -> Result<String> {
    let help = "specify a file of layers and a file of parameters of cuda-convnet";
    let shown = path.display();
    let read = |error: std::io::Error| Error::io(path, "read the file", &error).help(help);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(read)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(
            Error::usage(format!("{shown} is too large, expected at most {MAX_FILE} bytes")).help(help)
        );
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Error::usage(format!("{shown}:{line}: not UTF-8")).help(help)
    })
}

/// Rejects swapped files: the layers have types, the parameters have none.
fn check_order(layers: &Document<'_>, parameters: &Document<'_>) -> Result<()> {
    let has_types = |document: &Document<'_>| document.sections.iter().any(|s| s.find("type").is_some());
    if has_types(layers) || !has_types(parameters) {
        return Ok(());
    }
    let (first, second) = (layers.origin, parameters.origin);
    Err(Error::usage(format!("{first} is a file of parameters, expected the layers first")).help(format!(
        "`alexnet recipe from-cuda-convnet {} {}`",
        shell(second),
        shell(first)
    )))
}

/// Converts a file of layers and one of parameters, each a text and its name in messages.
///
/// # Errors
/// Returns an error if a file is malformed, if layers are unknown, missing or in a cycle, or if the network has no
/// counterpart in recipes. The message states the line, the value and what was expected.
pub fn convert(
    layers_file: (&str, &str),
    parameters_file: (&str, &str),
    images: Images,
) -> Result<Converted> {
    let file = Document::parse(layers_file.0, layers_file.1)?;
    let parameters = Document::parse(parameters_file.0, parameters_file.1)?;
    check_order(&file, &parameters)?;
    let parts = layers(&file, &parameters)?;
    let stages = chain(file.origin, &parts)?;
    let weighted: Vec<&Stage> =
        stages.iter().filter(|stage| parts[stage.parts[0]].kind.has_weights()).collect();
    let rates = weighted.iter().map(|stage| Rates::of(&parts, &stage.parts)).collect::<Result<Vec<_>>>()?;
    let sections: Vec<&str> = weighted.iter().map(|stage| parts[stage.parts[0]].section.name).collect();
    let mut gaps = Vec::new();
    let training = Training::new(&rates, &sections, Notes::read(&parameters.comments), &mut gaps)?;
    if training.notes.is_none() {
        gaps.extend(unread(&parameters.comments));
    }
    let (input, augment, evaluation) = input(images, &parts, &stages, &training, &mut gaps)?;
    let has_columns = stages.iter().any(|stage| stage.parts.len() > 1);
    let (layers, as_conv, classes) =
        Layers::new(&parts, input.crop, training.weights(&rates, &sections), has_columns).finish(&stages)?;
    if !as_conv.is_empty() {
        gaps.push(difference(
            format!("Convolutions that cover the whole map instead of fully connected layers: {}", as_conv.join(", ")),
            "Columns that are not connected are groups, which fully connected layers of recipes lack; the function is the same",
        ));
    }
    let disabled: Vec<&str> = parts
        .iter()
        .filter(|part| part.kind == Kind::Dropout { keep: None })
        .map(|part| part.section.name)
        .collect();
    if !disabled.is_empty() {
        gaps.push(difference(format!("No dropout in {}", names(&disabled)), "It is disabled in the file"));
    }
    gaps.extend(ignored(&file, &parameters));
    let recipe = Recipe {
        name: name(file.origin),
        summary: format!("converted from cuda-convnet's {}", file_name(file.origin)),
        source: format!("cuda-convnet, {} and {}", file_name(file.origin), file_name(parameters.origin)),
        classes,
        precision: Precision::F32,
        input,
        augment,
        optimizer: training.optimizer(),
        schedule: training.schedule,
        evaluation,
        differences: gaps.clone(),
        edits: Vec::new(),
        layers: layers.iter().map(|made| made.layer.clone()).collect(),
    };
    // The checks of any recipe: ranges, and whether the layers fit their inputs.
    let recipe = Recipe::parse(&recipe.to_toml(), file.origin)?;
    Network::new(&recipe, recipe.classes).map_err(|error| error.context(file.origin))?;
    Ok(Converted { recipe, layers, gaps })
}

fn difference(what: impl Into<String>, why: impl Into<String>) -> Difference {
    Difference { what: what.into(), why: why.into() }
}

/// Names comments that may be changes by hand, in another form than [`Notes`] reads.
fn unread(comments: &[&str]) -> Option<Difference> {
    let comments: Vec<&str> = comments
        .iter()
        .copied()
        .filter(|comment| comment.to_lowercase().contains("epoch"))
        .take(20)
        .collect();
    let what = format!("Not converted: the comments \"{}\"", comments.join("\", \""));
    (!comments.is_empty())
        .then(|| difference(what, "Write them as `schedule.at_epochs` and `schedule.epochs`"))
}

fn file_name(origin: &str) -> &str {
    Path::new(origin).file_name().and_then(|name| name.to_str()).unwrap_or(origin)
}

fn name(origin: &str) -> String {
    Path::new(origin).file_stem().and_then(|name| name.to_str()).unwrap_or(origin).to_owned()
}

/// How the images are prepared and evaluated.
fn input(
    images: Images,
    parts: &[Layer<'_, '_>],
    stages: &[Stage],
    training: &Training,
    gaps: &mut Vec<Difference>,
) -> Result<(Input, Augment, EvaluationSpec)> {
    let stride = stages.first().map(|stage| match parts[stage.parts[0]].kind {
        Kind::Conv(window) | Kind::Local(window) => window.stride,
        Kind::Data
        | Kind::Fc { .. }
        | Kind::Pool { .. }
        | Kind::CrossMapNorm { .. }
        | Kind::MapNorm { .. }
        | Kind::Dropout { .. }
        | Kind::Neuron
        | Kind::Softmax
        | Kind::Cost => 1,
    });
    let square = images.square.unwrap_or(if stride > Some(1) { 256 } else { 32 });
    let crop = images.crop.unwrap_or(if square == 256 { 224 } else { square });
    for (option, value, most) in [("square", square, 4096), ("crop", crop, square)] {
        if !(1..=most).contains(&value) {
            return Err(Error::usage(format!("--{option} {value}, expected 1 to {most}"))
                .help(format!("`--{option} {most}`")));
        }
    }
    let is_cropped = crop < square;
    let color_noise = training.color_noise.unwrap_or(0.0);
    gaps.push(difference(
        format!(
            "Assumed: batches of {BATCH} images of {square} pixels, {}, and {}",
            if is_cropped {
                format!("random crops of {crop} and flips")
            } else {
                "no crops, no flips".to_owned()
            },
            match training.color_noise {
                Some(noise) => format!("color noise {noise}"),
                None => "no color noise".to_owned(),
            }
        ),
        "The program's options and data files have these, not its network files",
    ));
    Ok((
        Input { square, crop, orientation: Orientation::Exif, mean: Mean::Image, divisor: 1.0, std: None },
        Augment { random_crop: is_cropped, flip: is_cropped, color_noise },
        EvaluationSpec { views: if is_cropped { Views::Ten } else { Views::Center } },
    ))
}

/// The optimizer and the schedule.
struct Training {
    rate: f64,
    momentum: f64,
    decay: f64,
    schedule: Schedule,
    color_noise: Option<f64>,
    notes: Option<Notes>,
    /// The learning rate of biases whose layer the notes slowed.
    bias_rate: f64,
}

impl Training {
    fn new(
        rates: &[Rates],
        sections: &[&str],
        notes: Option<Notes>,
        gaps: &mut Vec<Difference>,
    ) -> Result<Self> {
        let all = |value: fn(&Rates) -> f64| rates.iter().map(value).collect::<Vec<f64>>();
        let positive =
            |values: Vec<f64>| values.into_iter().filter(|&value| value > 0.0).collect::<Vec<f64>>();
        let common = most_common(&positive(all(|rates| rates.weights)));
        let bias_rate = most_common(&positive(all(|rates| rates.biases))).unwrap_or(0.0);
        let notes = notes.filter(|notes| Some(notes.last) == common);
        let Some(rate) =
            notes.as_ref().map(|notes| notes.initial).or(common).or(Some(bias_rate)).filter(|r| *r > 0.0)
        else {
            return Err(Error::usage("`epsW` and `epsB` are 0 in all layers: there is nothing to train")
                .help("write the learning rate of the start, such as `epsW = 0.01` and `epsB = 0.02`"));
        };
        let momentum = most_common(&all(|rates| rates.momentum)).unwrap_or(0.9);
        let own: Vec<&str> = (0..rates.len())
            .filter(|&i| rates[i].momentum != momentum || rates[i].bias_momentum != momentum)
            .map(|i| sections[i])
            .collect();
        if !own.is_empty() {
            gaps.push(difference(
                format!("Momentum {momentum} in all layers, also in {}", names(&own)),
                "Recipes have one momentum; those layers have another `momW` or `momB`",
            ));
        }
        let schedule = schedule(rates, sections, notes.as_ref(), gaps);
        if let Some(notes) = &notes {
            explain(notes, rates, sections, gaps);
        }
        Ok(Self {
            rate,
            momentum,
            decay: most_common(&all(|rates| rates.decay)).unwrap_or(0.0),
            schedule,
            color_noise: notes.as_ref().and_then(|notes| notes.color_noise),
            notes,
            bias_rate,
        })
    }

    fn optimizer(&self) -> Optimizer {
        Optimizer {
            algorithm: Algorithm::Sgd,
            batch: BATCH,
            rate: self.rate as f32,
            rate_for_batch: None,
            momentum: self.momentum as f32,
            decay: self.decay as f32,
        }
    }

    /// Returns the weights of each layer of the recipe.
    fn weights(&self, rates: &[Rates], sections: &[&str]) -> Vec<WeightSpec> {
        let weights = rates.iter().zip(sections).map(|(rates, section)| {
            let (mut weights, mut biases) = (rates.weights, rates.biases);
            if let Some(notes) = &self.notes {
                if weights > 0.0 || notes.is_slowed(section) {
                    weights = notes.initial
                        * if weights > 0.0 && !notes.is_slowed(section) { weights / notes.last } else { 1.0 };
                }
                if biases == 0.0 && notes.is_slowed(section) {
                    biases = self.bias_rate;
                }
            }
            WeightSpec {
                init: Init::Normal(rates.std),
                bias: rates.bias as f32,
                rate: (weights / self.rate) as f32,
                bias_rate: (biases / self.rate) as f32,
                decay: (rates.decay != self.decay).then_some(rates.decay as f32),
            }
        });
        weights.collect()
    }
}

/// The schedule of the weights that most layers have.
fn schedule(
    rates: &[Rates],
    sections: &[&str],
    notes: Option<&Notes>,
    gaps: &mut Vec<Difference>,
) -> Schedule {
    let changes: Vec<Change> = rates.iter().map(|rates| rates.change).collect();
    let change = most_common(&changes).unwrap_or(Change::Constant);
    let differs = |i: &usize| rates[*i].change != change || rates[*i].bias_change != change;
    let others: Vec<&str> = (0..rates.len()).filter(differs).map(|i| sections[i]).collect();
    if !others.is_empty() {
        gaps.push(difference(
            format!("One schedule for all weights and biases, also in {}", names(&others)),
            "Those layers have another `schedW` or `schedB`; recipes have one schedule",
        ));
    }
    if change == Change::Other {
        gaps.push(difference(
            "A constant learning rate",
            "Schedules with noise or jumps (`noiseStdev`, `jdexp`) have no counterpart in recipes",
        ));
    }
    let curve = match (change, notes) {
        (Change::Curve(curve), _) => LrSchedule::Curve(curve),
        (Change::Constant | Change::Other, None) => LrSchedule::Constant { divide_by: None },
        (Change::Constant | Change::Other, Some(notes)) => {
            let lr = LrSchedule::AtEpochs {
                divide_by: notes.divide_by as f32,
                at_epochs: notes.at_epochs.clone(),
            };
            return Schedule { epochs: notes.epochs, warm_up_epochs: None, lr };
        }
    };
    gaps.push(difference(
        format!("Assumed: {EPOCHS} epochs"),
        "The program's options have the number of epochs, not its network files",
    ));
    Schedule { epochs: EPOCHS, warm_up_epochs: None, lr: curve }
}

/// Says what the notes of a training run that was adjusted by hand have changed.
fn explain(notes: &Notes, rates: &[Rates], sections: &[&str], gaps: &mut Vec<Difference>) {
    let at: Vec<String> = notes.at_epochs.iter().map(usize::to_string).collect();
    gaps.push(difference(
        format!(
            "The learning rate starts at {} and is divided after epochs {} of {}",
            notes.initial,
            at.join(", "),
            notes.epochs
        ),
        format!("The authors' notes in the file; its `epsW` is {}, that of the end", notes.last),
    ));
    gaps.push(difference(
        "Biases keep their ratio to the learning rate of the weights",
        "In the program `epsB` stays as in the file when `epsW` is divided; here both are divided",
    ));
    let frozen: Vec<&str> = (0..rates.len())
        .filter(|&i| {
            notes.is_slowed(sections[i]) && (rates[i].weights != notes.last || rates[i].biases == 0.0)
        })
        .map(|i| sections[i])
        .collect();
    if !frozen.is_empty() {
        gaps.push(difference(
            format!("The rates of {} are those of the other layers", names(&frozen)),
            "The notes say when they were lowered, and the file has the rates of the end",
        ));
    }
    if !notes.others.is_empty() {
        gaps.push(difference(
            format!("Not reproduced: {}", notes.others.join("; ")),
            "A recipe has one schedule for all layers, and changes of layers and color noise by step; see `alexnet edit`",
        ));
    }
}
