//! `alexnet quantize`: a trained model to 8-bit integers.

mod images;
mod report;

use std::time::Instant;

use super::args::model::QuantizeArgs;
use super::exit::CommandResult;
use super::models::check_new;
use super::output::Output;
use super::sources::none_decoded;
use super::ui::Progress;
use alexnet::data::Dataset;
use alexnet::eval::model_path;
use alexnet::model::Model;
use alexnet::quantize::{QuantizeOptions, Source, measure_accuracy, quantize};
use alexnet::train::signals::Interrupt;
use images::{Calibration, Validation};
use report::Summary;

pub(crate) fn run(args: &QuantizeArgs, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    let path = model_path(&args.model)?;
    check_new(&args.out)?;
    let interrupt = Interrupt::on_signals();
    interrupt.listen()?;
    let model = Model::load(&path)?;
    let (data, calibration) = Calibration::open(&args.calibrate, &model, out)?;
    let other = args.data.as_ref().map(|source| Dataset::open(source)).transpose()?;
    let validation = match &other {
        Some(other) => images::of_other(other, args.split.as_deref(), &model, out)?,
        None => images::default(data.as_ref(), args.split.as_deref(), &model)?,
    };
    images::check_views(args.views.views, &validation)?;
    let origin = other.as_ref().or(data.as_ref()).map_or("", |data| data.origin.as_str()).to_owned();
    let options = QuantizeOptions {
        images: args.images as usize,
        rule: args.ranges.into(),
        threads: args.machine.threads(),
    };
    let mut progress = Progress::new(out.display());
    progress.start("calibration", options.images.min(calibration.split.len()));
    let mut before = 0;
    let (quantized, mut report) = quantize(&model, &calibration.split, &options, &mut |done| {
        progress.advance(done - before, None);
        before = done;
        interrupt.check()
    })?;
    progress.finish();
    if let Validation::Images(split) = &validation {
        let views = args.views.views.unwrap_or(model.recipe.evaluation.views);
        let mut before = 0;
        progress.start("evaluation", 2 * split.len());
        let source = Source { split, views };
        let accuracy = measure_accuracy(&model, &quantized, source, &options, &mut |done| {
            progress.advance(done - before, None);
            before = done;
            interrupt.check()
        })?;
        progress.finish();
        if accuracy.f32.images == 0 {
            return Err(none_decoded(&origin, split, &accuracy.f32.skipped).into());
        }
        report.accuracy = Some(accuracy);
    }
    quantized.save(&args.out)?;
    let summary = Summary {
        model: path,
        out: args.out.clone(),
        calibration: &calibration,
        validation: &validation,
        origin,
        report: &report,
        seconds: begin.elapsed().as_secs_f64(),
    };
    report.warnings.iter().for_each(|text| out.note(text));
    out.result(|| summary.text(), || summary.json())?;
    Ok(0)
}
