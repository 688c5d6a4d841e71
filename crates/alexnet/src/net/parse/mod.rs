//! Parses recipes. Unknown keys are refused, and every value is checked.

pub(super) mod key;
mod layer;
mod range;
mod schedule;

use super::check::{check_edits, check_layers};
use super::edit::{Change, ChangeKey, Edit};
use super::reader::{Entry, Source, Table};
use super::recipe::{
    Algorithm, Augment, Difference, EvaluationSpec, Input, Mean, Optimizer, Orientation, Recipe,
};
use super::views::Views;
use crate::Result;
use alexnet_kernels::precision::Precision;
use key::{AUGMENT, EVALUATION, INPUT, MEAN, OPTIMIZER, RECIPE, SCHEDULE};
use layer::layer;
use range::{ABOVE_ZERO, BATCH, EPOCHS, FRACTION, SIDE, WIDTH, ZERO_OR_MORE};
use schedule::schedule;

/// The trust coefficient of LARS if a recipe sets none: that of the publication.
const PUBLISHED_TRUST: f64 = 0.001;

/// Parses a whole recipe.
pub(super) fn recipe(source: &Source<'_>) -> Result<Recipe> {
    let document = source.parse()?;
    let root = Table::root(source, &document).only(RECIPE)?;
    let recipe = Recipe {
        name: root.get("name", "\"my-net\"")?.text()?,
        summary: root.get("summary", "\"one line\"")?.text()?,
        source: root.get("source", "\"where the numbers come from\"")?.text()?,
        classes: root.get("classes", "1000")?.integer(WIDTH)?,
        precision: precision(&root)?,
        input: input(&root.table("input")?.only(INPUT)?)?,
        augment: augment(&root.table("augment")?.only(AUGMENT)?)?,
        optimizer: optimizer(&root.table("optimizer")?.only(OPTIMIZER)?)?,
        schedule: schedule(&root.table("schedule")?.only(SCHEDULE)?)?,
        evaluation: evaluation(&root.table("evaluation")?.only(EVALUATION)?)?,
        differences: root.tables("deviation")?.into_iter().map(difference).collect::<Result<_>>()?,
        edits: root.tables("edit")?.into_iter().map(edit).collect::<Result<_>>()?,
        layers: root.tables("layer")?.into_iter().map(layer).collect::<Result<_>>()?,
    };
    check_layers(source.origin, &recipe.layers)?;
    check_edits(source.origin, &recipe.edits, &recipe.layers)?;
    Ok(recipe)
}

fn precision(table: &Table<'_>) -> Result<Precision> {
    let names = Precision::ALL.map(|precision| (precision.name(), precision));
    table.find("precision").map_or(Ok(Precision::F32), |e| e.choice(&names))
}

fn input(table: &Table<'_>) -> Result<Input> {
    let square = table.get("square", "256")?.integer(SIDE)?;
    let crop = table.get("crop", "224")?;
    let side = crop.integer(SIDE)?;
    if side > square {
        return Err(crop.refuse(
            format!("at most {square}, the size of input.square"),
            format!("write `crop = {square}`, or a larger `square`"),
        ));
    }
    Ok(Input {
        square,
        crop: side,
        orientation: orientation(table)?,
        mean: mean(table.get("mean", "\"image\"")?)?,
        divisor: table.find("divisor").map_or(Ok(1.0), |e| e.single(ABOVE_ZERO, 1.0))?,
        std: table.find("deviations").map(|e| e.rgb(ABOVE_ZERO, 0.225)).transpose()?,
    })
}

fn orientation(table: &Table<'_>) -> Result<Orientation> {
    let words = [("exif", Orientation::Exif), ("stored", Orientation::Stored)];
    table.find("orientation").map_or(Ok(Orientation::Stored), |e| e.choice(&words))
}

fn mean(entry: Entry<'_>) -> Result<Mean> {
    if entry.is_table() {
        let table = entry.table()?.only(MEAN)?;
        return Ok(Mean::Fixed(table.get("fixed", "[124, 116, 104]")?.rgb(0.0..=255.0, 120.0)?));
    }
    entry.choice(&[("image", Mean::Image), ("channels", Mean::Channels)])
}

fn augment(table: &Table<'_>) -> Result<Augment> {
    Ok(Augment {
        random_crop: table.get("random_crop", "true")?.flag()?,
        flip: table.get("flip", "true")?.flag()?,
        color_noise: table.get("color_noise", "0.1")?.number(0.0..=100.0, 0.1)?,
    })
}

fn optimizer(table: &Table<'_>) -> Result<Optimizer> {
    Ok(Optimizer {
        algorithm: algorithm(table)?,
        batch: table.get("batch", "128")?.integer(BATCH)?,
        rate: table.get("rate", "0.01")?.single(ABOVE_ZERO, 0.01)?,
        rate_for_batch: table.find("rate_for_batch").map(|e| e.integer(BATCH)).transpose()?,
        momentum: table.get("momentum", "0.9")?.single(FRACTION, 0.9)?,
        decay: table.get("decay", "0.0005")?.single(ZERO_OR_MORE, 0.0005)?,
    })
}

fn algorithm(table: &Table<'_>) -> Result<Algorithm> {
    let names = [Algorithm::Sgd, Algorithm::Lars { trust: PUBLISHED_TRUST as f32 }];
    let names = names.map(|algorithm| (algorithm.name(), algorithm));
    let algorithm = table.find("algorithm").map_or(Ok(Algorithm::Sgd), |e| e.choice(&names))?;
    match (algorithm, table.find("trust")) {
        (_, None) => Ok(algorithm),
        (Algorithm::Lars { .. }, Some(trust)) => {
            Ok(Algorithm::Lars { trust: trust.single(ABOVE_ZERO, PUBLISHED_TRUST)? })
        }
        (Algorithm::Sgd, Some(trust)) => Err(trust.refuse(
            "no `trust` with `algorithm = \"sgd\"`, which does not use it",
            "write `algorithm = \"lars\"`, or remove `trust`, as with `--set optimizer.trust=none`",
        )),
    }
}

fn evaluation(table: &Table<'_>) -> Result<EvaluationSpec> {
    let entry = table.get("views", "10")?;
    let views = Views::try_from(entry.integer(1..=10)?).map_err(|_| {
        entry.refuse("1 (the center) or 10 (corners, center, and their flips)", "write `views = 10`")
    })?;
    Ok(EvaluationSpec { views })
}

fn difference(table: Table<'_>) -> Result<Difference> {
    let table = table.only(&["what", "why"])?;
    Ok(Difference { what: table.get("what", "\"...\"")?.text()?, why: table.get("why", "\"...\"")?.text()? })
}

fn edit(table: Table<'_>) -> Result<Edit> {
    let names = ChangeKey::ALL.map(ChangeKey::name);
    let table = table.only(&[&["step"][..], &names].concat())?;
    let step = table.get("step", "12000")?;
    let given: Vec<_> =
        ChangeKey::ALL.into_iter().filter_map(|key| Some((key, table.find(key.name())?))).collect();
    let [(key, entry)] = given.as_slice() else {
        return Err(step.refuse(
            format!("one change with it: {}", names.join(", ")),
            "write one [[edit]] table for each change",
        ));
    };
    let change = match key {
        ChangeKey::Rate => Change::Rate(entry.single(ABOVE_ZERO, 0.001)?),
        ChangeKey::Freeze => Change::Freeze(entry.text()?),
        ChangeKey::Unfreeze => Change::Unfreeze(entry.text()?),
        ChangeKey::ColorNoise => Change::ColorNoise(entry.number(0.0..=100.0, 0.1)?),
        ChangeKey::StopAfter => Change::StopAfter(entry.integer(EPOCHS)?),
    };
    Ok(Edit { step: step.integer(0..=1 << 40)?, change })
}
