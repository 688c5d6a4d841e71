//! Columns: branches of the same layers on parts of the channels, which become layers with groups.

use std::rc::Rc;

use alexnet_kernels::geometry::Maps;

use super::problem::Supported;
use super::signal::{FoundLayer, FoundParameters, Origin, SignalId};
use super::state::State;
use crate::net::{ConvSpec, Spec};

/// The most columns.
const MOST: usize = 64;
/// The most layers of a column that are followed.
const LONGEST: usize = 256;

/// What the layers of all branches read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// All channels.
    Whole,
    /// A part of the channels each, in order.
    Parts,
}

/// One branch: its signals, first to last, and where it starts.
struct Branch {
    signals: Vec<SignalId>,
    from: SignalId,
}

impl State<'_> {
    /// Joins the channels of branches.
    pub(super) fn joined(&mut self, ends: &[SignalId]) -> Supported<SignalId> {
        let columns = ends.len();
        if !(2..=MOST).contains(&columns) {
            return Err(format!("it joins {columns} tensors, expected 2 to {MOST}"));
        }
        let mut branches = self.branches(ends)?;
        let mut reading = self.parts(&mut branches)?;
        let depth = branches[0].signals.len();
        if branches.iter().any(|branch| branch.signals.len() != depth) {
            return Err("it joins branches that do not have the same layers".into());
        }
        let mut joined = branches[0].from;
        for level in 0..depth {
            let layers = branches.iter().map(|branch| self.layer(branch.signals[level]));
            let layers = layers.collect::<Supported<Vec<_>>>()?;
            let (layer, next) = self.join(&layers, reading)?;
            let maps = self.maps_of(branches[0].signals[level])?;
            let channels = maps.channels.checked_mul(columns).ok_or("too many channels")?;
            joined = self.add_maps(layer, joined, Maps::new(maps.height, maps.width, channels));
            reading = next;
        }
        match reading {
            Reading::Parts => Ok(joined),
            Reading::Whole => Err("it joins a tensor with itself".into()),
        }
    }

    /// The branches from the last signal that they have in common.
    fn branches(&self, ends: &[SignalId]) -> Supported<Vec<Branch>> {
        let paths: Vec<Vec<SignalId>> = ends.iter().map(|&end| self.ancestors(end)).collect();
        // Later signals have larger numbers, and come first.
        let has = |path: &[SignalId], id: SignalId| path.binary_search_by(|other| id.cmp(other)).is_ok();
        let common = paths[0].iter().copied().find(|&id| paths.iter().all(|path| has(path, id)));
        let from = common.ok_or("it joins tensors that were not computed from the same by layers")?;
        let branch = |path: &Vec<SignalId>| {
            let mut signals: Vec<SignalId> = path.iter().copied().take_while(|&id| id != from).collect();
            signals.reverse();
            Branch { signals, from }
        };
        Ok(paths.iter().map(branch).collect())
    }

    /// The signals that this one was computed from by layers, last to first: it itself, and so on.
    fn ancestors(&self, mut id: SignalId) -> Vec<SignalId> {
        let mut path = vec![id];
        while let Origin::Layer(_, from) | Origin::Part { of: from, .. } = self.signals[id].origin
            && path.len() < LONGEST
        {
            id = from;
            path.push(id);
        }
        path
    }

    /// What the branches read of the signal that they have in common; parts of the channels are not layers, and are removed.
    fn parts(&self, branches: &mut [Branch]) -> Supported<Reading> {
        let columns = branches.len();
        let channels = self.signals[branches[0].from].maps.channels;
        let mut parts = 0;
        for (at, branch) in branches.iter_mut().enumerate() {
            let Some(&first) = branch.signals.first() else { continue };
            if let Origin::Part { first: channel, .. } = self.signals[first].origin {
                let width = self.signals[first].maps.channels;
                if channel != at * width || width.checked_mul(columns) != Some(channels) {
                    return Err(
                        "it joins parts of the channels that are of different sizes, or not in their order"
                            .into(),
                    );
                }
                branch.signals.remove(0);
                parts += 1;
            }
        }
        match parts {
            0 => Ok(Reading::Whole),
            parts if parts == columns => Ok(Reading::Parts),
            _ => Err("it joins a part of the channels with all of them".into()),
        }
    }

    /// One layer for those of all branches, and what the next ones read.
    fn join(&self, layers: &[FoundLayer], reading: Reading) -> Supported<(FoundLayer, Reading)> {
        if layers.iter().any(|layer| layer.spec != layers[0].spec) {
            return Err("it joins branches whose layers differ".into());
        }
        let spec = one_layer(&layers[0].spec, layers.len(), reading)?;
        let parameters: Option<Vec<&FoundParameters>> =
            layers.iter().map(|layer| layer.parameters.as_ref()).collect();
        let parameters = match parameters {
            None => None,
            Some(all) => {
                let concat = |part: fn(&FoundParameters) -> &Rc<Vec<f32>>| -> Supported<Rc<Vec<f32>>> {
                    self.tensors.spend(all.iter().map(|one| part(one).len()).sum())?;
                    Ok(Rc::new(all.iter().flat_map(|one| part(one).iter().copied()).collect()))
                };
                Some(FoundParameters {
                    weights: concat(|one| &one.weights)?,
                    biases: concat(|one| &one.biases)?,
                })
            }
        };
        Ok((FoundLayer { spec, parameters }, Reading::Parts))
    }

    fn layer(&self, id: SignalId) -> Supported<FoundLayer> {
        match &self.signals[id].origin {
            Origin::Layer(layer, _) => Ok(layer.clone()),
            Origin::Pixels(_)
            | Origin::Images
            | Origin::View(_)
            | Origin::Part { .. }
            | Origin::Padded { .. }
            | Origin::Probabilities(_)
            | Origin::Step(_) => Err("it joins branches of which one has something else than layers".into()),
        }
    }
}

/// The layer for the same layers of all branches.
fn one_layer(spec: &Spec, columns: usize, reading: Reading) -> Supported<Spec> {
    Ok(match (spec, reading) {
        (Spec::Conv(conv), Reading::Whole) if conv.groups == 1 => {
            Spec::Conv(ConvSpec { maps: conv.maps * columns, ..conv.clone() })
        }
        (Spec::Conv(conv), Reading::Parts) => {
            Spec::Conv(ConvSpec { maps: conv.maps * columns, groups: conv.groups * columns, ..conv.clone() })
        }
        (Spec::Lrn { size, alpha, beta, k, alpha_over_size, groups }, Reading::Parts) => Spec::Lrn {
            size: *size,
            alpha: *alpha,
            beta: *beta,
            k: *k,
            alpha_over_size: *alpha_over_size,
            groups: groups * columns,
        },
        (
            same @ (Spec::MaxPool(_)
            | Spec::AvgPool(_)
            | Spec::MapNorm { .. }
            | Spec::Relu {}
            | Spec::Tanh {}
            | Spec::Logistic {}
            | Spec::Dropout { .. }),
            Reading::Parts,
        ) => (*same).clone(),
        (
            Spec::Conv(_)
            | Spec::Local(_)
            | Spec::Fc { .. }
            | Spec::MaxPool(_)
            | Spec::AvgPool(_)
            | Spec::Lrn { .. }
            | Spec::MapNorm { .. }
            | Spec::Relu {}
            | Spec::Tanh {}
            | Spec::Logistic {}
            | Spec::Dropout { .. },
            _,
        ) => return Err("it joins branches whose layers are no layer with groups".into()),
    })
}
