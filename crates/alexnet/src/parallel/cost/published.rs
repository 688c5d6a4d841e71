//! The two graphics cards of the paper, derived from another published run.
//!
//! The paper trained for 5 to 6 days on two GTX 580, each of which held one column. Nothing is published about the whole
//! network on one of them, so the speed of a card is derived from "One weird trick": 90 epochs in 98.05 hours on one K20. The
//! assumption is that a GTX 580 reaches the same share of its peak.

use serde::Serialize;

use super::super::job::{ExchangePrecision, Scheme};
use super::super::traffic::Payload;
use super::link::Link;
use super::step::Step;
use crate::Result;
use crate::net::{Network, Recipe};

/// Images of an epoch of ILSVRC 2010 and 2012, as the paper counts them.
const IMAGES: f64 = 1.2e6;
/// Epochs of both runs.
const EPOCHS: f64 = 90.0;
/// The run on one K20, and the peaks of the cards in GFLOP/s.
const K20_HOURS: f64 = 98.05;
const K20_GFLOPS: f64 = 3520.0;
const GTX_580_GFLOPS: f64 = 1581.0;
/// Days of the paper's run, at least and at most.
const PAPER_DAYS: (f64, f64) = (5.0, 6.0);
/// PCI Express 2.0 with 16 lanes.
const PCIE: Link = Link { latency_seconds: 10e-6, bytes_per_second: 6e9 };
const SECONDS_PER_DAY: f64 = 86_400.0;
const BATCH: usize = 128;

/// The paper's run, and what the model says of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TwoCards {
    /// Images per second of one card that could hold the whole network, derived.
    pub card_images_per_second: f64,
    /// The share of its peak that a card is assumed to reach.
    pub share_of_peak: f64,
    /// Bytes that each card sends in a step.
    pub bytes_sent: f64,
    /// The share of a step that the exchange takes.
    pub exchange_share: f64,
    /// Images per second of the two, by the model.
    pub images_per_second: f64,
    /// Images per second of the paper's run: at 6 and at 5 days.
    pub published_images_per_second: [f64; 2],
}

/// What the model says of the paper's two cards.
///
/// # Errors
/// Returns an error if the recipe `paper` is not as the model expects.
pub fn two_cards() -> Result<TwoCards> {
    let recipe = Recipe::load("paper")?;
    let network = Network::new(&recipe, recipe.classes)?;
    let days = |days: f64| IMAGES * EPOCHS / (days * SECONDS_PER_DAY);
    let share_of_peak = days(K20_HOURS / 24.0) * gflop_per_image(&network) / K20_GFLOPS;
    let card_images_per_second = share_of_peak * GTX_580_GFLOPS / gflop_per_image(&network);
    let scheme = Scheme::Columns { columns: 2 };
    let step = Step { network: &network, scheme, ranks: 2, batch: BATCH, precision: ExchangePrecision::F32 };
    let bytes_sent = step.bytes_sent(Payload::Activations)?;
    let exchange = step.messages()? as f64 * PCIE.latency_seconds + bytes_sent / PCIE.bytes_per_second;
    // Each card computes half of every layer, and nothing overlaps.
    let seconds = BATCH as f64 / card_images_per_second / 2.0 + exchange;
    Ok(TwoCards {
        card_images_per_second,
        share_of_peak,
        bytes_sent,
        exchange_share: exchange / seconds,
        images_per_second: BATCH as f64 / seconds,
        published_images_per_second: [days(PAPER_DAYS.1), days(PAPER_DAYS.0)],
    })
}

/// GFLOP of a training step per image: forward, weight gradients, and input gradients of all layers but the first.
fn gflop_per_image(network: &Network) -> f64 {
    let first = network.layers.iter().map(crate::net::Layer::macs).find(|&macs| macs > 0).unwrap_or(0);
    2.0 * (3 * network.macs() - first) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_cards_exchange_for_a_hundredth_of_the_time() {
        let found = two_cards().unwrap();
        let [least, most] = found.published_images_per_second;
        assert!((least - 208.3).abs() < 0.1 && (most - 250.0).abs() < 0.1, "{found:?}");
        assert!(found.exchange_share > 0.005 && found.exchange_share < 0.02, "{found:?}");
        assert!(found.share_of_peak > 0.3 && found.share_of_peak < 0.4, "{found:?}");
        // Faster than the run, which also had to read and transform images.
        assert!(found.images_per_second > least && found.images_per_second < 1.3 * most, "{found:?}");
    }
}
