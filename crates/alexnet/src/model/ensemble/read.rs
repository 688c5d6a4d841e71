//! Reads the files of ensembles.

use safetensors::Dtype;

use super::contents::Ensemble;
use super::member::Member;
use super::mixture::GoldenMixture;
use super::write::{GOLDEN_PROBABILITIES, prefix};
use crate::files::container;
use crate::model::any::AnyModel;
use crate::model::metadata::Contents;
use crate::model::parts::{File, GOLDEN_IMAGES, golden_images, per_golden_image};
use crate::net::Views;
use crate::{Error, Result};

/// The hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Reads an ensemble. Every part is checked, alone and against the others.
pub(in crate::model) fn read(file: &File<'_>) -> Result<Ensemble> {
    let weights: Vec<f64> = file.metadata.json("weights")?;
    let models = weights.len();
    if models == 0 {
        return Err(Error::model("the ensemble contains no models, expected at least 1"));
    }
    let member = |(i, weight)| {
        member(file, i, weight).map_err(|error| error.context(format!("model {} of {models}", i + 1)))
    };
    let members = weights.into_iter().enumerate().map(member).collect::<Result<Vec<_>>>()?;
    check_all_read(file, models)?;
    let classes = members.first().map_or(0, |member| member.model.classes().len());
    let (shape, _) = file.tensors.array(GOLDEN_IMAGES, Dtype::U8)?;
    let images = golden_images(&file.tensors, shape.get(1).copied().unwrap_or(0))?;
    let probabilities = per_golden_image(&file.tensors, GOLDEN_PROBABILITIES, images.len(), classes)?;
    let views: usize = file.metadata.json("views")?;
    let ensemble = Ensemble {
        members,
        views: Views::try_from(views)
            .map_err(|_| Error::model(format!("`views` is {views}, expected 1 or 10")))?,
        summary: file.metadata.json("summary")?,
        golden: GoldenMixture { images, probabilities },
    };
    ensemble.check()?;
    Ok(ensemble)
}

fn member(file: &File<'_>, i: usize, weight: f64) -> Result<Member> {
    let file = file.under(&prefix(i))?;
    match file.contents {
        Contents::F32 { .. } | Contents::Quantized => {}
        Contents::Ensemble => {
            return Err(Error::model("it is an ensemble, expected a single model"));
        }
    }
    let digest = file.metadata.get("sha256")?.to_owned();
    if digest.len() != DIGITS || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let begin: String = digest.chars().take(DIGITS).collect();
        return Err(Error::model(format!("`sha256` is {begin:?}, expected {DIGITS} hexadecimal digits")));
    }
    Ok(Member { model: AnyModel::read(&file)?, weight, digest })
}

/// Checks that every tensor belongs to the ensemble or to one of its models.
fn check_all_read(file: &File<'_>, models: usize) -> Result<()> {
    let own = [GOLDEN_IMAGES, GOLDEN_PROBABILITIES, container::SEAL];
    let is_known = |name: &str| own.contains(&name) || (0..models).any(|i| name.starts_with(&prefix(i)));
    let names = file.tensors.shapes().into_iter().map(|(name, _)| name);
    match names.filter(|name| !is_known(name)).min() {
        Some(extra) => {
            Err(Error::model(format!("tensor `{extra}` does not belong to any of the {models} models")))
        }
        None => Ok(()),
    }
}
