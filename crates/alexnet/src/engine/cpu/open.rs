//! Allocation of a CPU engine's memory and threads.

use super::lower::{Goal, backward};
use super::parameters::{Pair, Parameters};
use super::plan::Plan;
use super::state::{BackwardPlans, CpuEngine, LastStep};
use crate::engine::division::Division;
use crate::engine::options::{Mode, Options};
use crate::engine::timings::LayerTimings;
use crate::net::{Layer, Network};
use crate::{Error, Result, threads};
use alexnet_kernels::memory::{Buffer, available};

impl CpuEngine {
    /// Opens an engine with all parameters zero.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, memory is insufficient, or the threads cannot be started.
    pub(in crate::engine) fn open(network: Network, division: Division, options: &Options) -> Result<Self> {
        let plan = Plan::new(&network, &division.gathered, options)?;
        // The system grants memory that it does not have, and kills a program that uses it.
        if available().is_some_and(|available| plan.memory(&network).total() > available) {
            return Err(out_of_memory(&plan, &network));
        }
        Self::allocate(network, division, plan, options.threads)
    }

    fn allocate(network: Network, division: Division, plan: Plan, threads: usize) -> Result<Self> {
        let pool = threads::pool(threads)?;
        let buffers = || {
            let parameters = network.layers.iter().map(|layer| parameters(layer, &plan));
            let parameters = parameters.collect::<Option<Vec<Option<Parameters>>>>()?;
            let gradients = network.layers.iter().map(|layer| parameter_gradient(layer, &plan));
            let parameter_gradients = gradients.collect::<Option<Vec<Option<Pair>>>>()?;
            let slots = plan.slots.iter().map(|values| Buffer::zeros(values * plan.micro_batch));
            let gathered_logits = match plan.gathered_logits(&network) {
                Some(len) => Some(Buffer::zeros(len)?),
                None => None,
            };
            let [first, second] = plan.gradients.map(|values| Buffer::zeros(values * plan.micro_batch));
            Some((
                parameters,
                parameter_gradients,
                slots.collect::<Option<Vec<_>>>()?,
                gathered_logits,
                [first?, second?],
            ))
        };
        let Some((parameters, parameter_gradients, activations, gathered_logits, gradients)) = buffers()
        else {
            return Err(out_of_memory(&plan, &network));
        };
        let mut engine = Self {
            network,
            plan,
            division,
            backward: BackwardPlans::default(),
            pool,
            parameters,
            parameter_gradients,
            activations,
            gathered_logits,
            gradients,
            timings: LayerTimings::start(),
            last: LastStep::default(),
        };
        engine.lower_backward();
        Ok(engine)
    }

    /// Lowers the backward passes for the layers that learn now.
    pub(super) fn lower_backward(&mut self) {
        let learns: Vec<bool> =
            self.parameters.iter().map(|layer| layer.as_ref().is_some_and(Parameters::learns)).collect();
        let slots = (&self.plan.inputs[..], &self.plan.outputs[..]);
        let lowered = |goal| backward(&self.network, slots, &self.division.gathered, &learns, goal);
        let keep = match self.division.first_layer {
            0 => Goal::KeptGradients,
            _ => Goal::KeptGradientsAndInput,
        };
        self.backward = match self.plan.mode {
            Mode::Inference => BackwardPlans::default(),
            Mode::Training | Mode::Inspection => BackwardPlans {
                keep: lowered(keep),
                apply: lowered(Goal::Updates),
                pixels: lowered(Goal::Pixels),
            },
        };
    }
}

/// The parameters of a layer, `Some(None)` if it has none; `None` if memory is insufficient.
fn parameters(layer: &Layer, plan: &Plan) -> Option<Option<Parameters>> {
    let (Some(sizes), Some(spec)) = (sizes(layer), layer.weights()) else {
        return Some(None);
    };
    Parameters::zeros(layer, spec, sizes, plan).map(Some)
}

/// The gradient of a layer's parameters, `Some(None)` if it has none; `None` if memory is insufficient.
fn parameter_gradient(layer: &Layer, plan: &Plan) -> Option<Option<Pair>> {
    match (plan.mode, sizes(layer)) {
        (Mode::Training, Some([weights, biases])) => Pair::zeros(weights, biases).map(Some),
        (Mode::Training, None) | (Mode::Inference | Mode::Inspection, _) => Some(None),
    }
}

/// The numbers of weights and biases of a layer that has them.
fn sizes(layer: &Layer) -> Option<[usize; 2]> {
    let (weights, biases) = layer.parameter_shapes()?;
    Some([weights, biases].map(|shape| shape.iter().product()))
}

fn out_of_memory(plan: &Plan, network: &Network) -> Error {
    let table = plan.memory(network);
    let error = Error::out_of_memory(table.total(), available()).detail(table);
    match plan.mode {
        Mode::Training => error.help(
            "reduce memory with --set optimizer.batch=32, or in `alexnet train` with --micro-batch 36, which keeps the results",
        ),
        Mode::Inference | Mode::Inspection => error.help("end other programs, or raise the limit of memory"),
    }
}
