//! What has no counterpart in recipes.

use std::collections::BTreeMap;

use super::ini::{Document, Entry, Section, short};
use crate::net::Difference;

/// Keys that the conversion uses, and keys that only say how to compute.
const KNOWN: [&str; 36] = [
    "type",
    "inputs",
    "gpu",
    "neuron",
    "filters",
    "channels",
    "filterSize",
    "stride",
    "padding",
    "groups",
    "randSparse",
    "outputs",
    "pool",
    "start",
    "sizeX",
    "outputsX",
    "size",
    "scale",
    "pow",
    "minDiv",
    "blocked",
    "keep",
    "enable",
    "dataIdx",
    "initW",
    "initB",
    "epsW",
    "epsB",
    "momW",
    "momB",
    "wc",
    "schedW",
    "schedB",
    "partialSum",
    "sumWidth",
    "topk",
];

/// Values that are as good as none.
const WITHOUT_EFFECT: [(&str, &[f64]); 6] = [
    ("sharedBiases", &[1.0]),
    ("wball", &[0.0]),
    ("coeff", &[1.0]),
    ("superEps", &[0.0]),
    ("superMom", &[0.0]),
    ("updatePeriod", &[1.0]),
];

/// Names the settings of the files that the conversion ignores.
pub(super) fn ignored(layers: &Document<'_>, parameters: &Document<'_>) -> Vec<Difference> {
    let mut settings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for section in layers.sections.iter().chain(&parameters.sections) {
        for value in &section.values {
            if let Some(entry) = section.find(value.key).filter(|entry| !is_known(entry)) {
                let setting = format!("`{} = {}`", short(entry.key), short(entry.text));
                settings.entry(setting).or_default().push(section.name);
            }
        }
    }
    let mut gaps: Vec<Difference> = settings
        .into_iter()
        .map(|(setting, sections)| Difference {
            what: format!("No counterpart: {setting} of {}", names(&sections)),
            why: "Recipes have no such setting; it is ignored".to_owned(),
        })
        .collect();
    let is_unused = |section: &&Section<'_>| layers.find(section.name).is_none();
    let unused: Vec<&str> =
        parameters.sections.iter().filter(is_unused).map(|section| section.name).collect();
    if !unused.is_empty() {
        gaps.push(Difference {
            what: format!("Unused: {} of {}", names(&unused), parameters.origin),
            why: format!("{} has no such layers", layers.origin),
        });
    }
    gaps
}

fn is_known(entry: &Entry<'_, '_>) -> bool {
    if KNOWN.iter().any(|key| key.eq_ignore_ascii_case(entry.key)) {
        return true;
    }
    let neutral = WITHOUT_EFFECT.iter().find(|(key, _)| key.eq_ignore_ascii_case(entry.key));
    neutral.is_some_and(|(_, neutral)| {
        entry.text.split(',').all(|item| match item.trim() {
            "true" => neutral.contains(&1.0),
            "false" => neutral.contains(&0.0),
            item => item.parse().is_ok_and(|value| neutral.contains(&value)),
        })
    })
}

/// Formats names of sections.
pub(super) fn names(sections: &[&str]) -> String {
    let names: Vec<String> = sections.iter().map(|name| format!("[{}]", short(name))).collect();
    names.join(", ")
}
