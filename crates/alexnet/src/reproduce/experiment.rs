//! The experiments, with the paper's result and those of others.

use crate::{Error, Result};

/// A claim of the paper, as an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Experiment {
    /// ReLUs against tanh units: epochs until the training error falls to 25 % (Fig. 1).
    Relu,
    /// With response normalization against without.
    Lrn,
    /// Overlapping pooling against pooling without overlap.
    Overlap,
    /// Two columns against one of the same size, and against columns that never exchange.
    Columns,
    /// With dropout against without.
    Dropout,
    /// With random crops, flips and color noise against without each, and without all.
    Augment,
    /// Ten views against the center view, of the same models.
    Views,
    /// The mean of the softmax of all seeds' models against the best of them.
    Ensemble,
}

/// A published result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was found.
    pub finding: &'static str,
    /// Where.
    pub source: &'static str,
}

/// Logs of the 2012 program, top-1 / top-5 error on ILSVRC-2012's validation images.
const LOGS: &str = "logs of the 2012 program";
/// ducha-aiki/caffenet-benchmark: CaffeNet on ImageNet at 128 pixels, single runs.
const BENCHMARK: &str = "caffenet-benchmark (ImageNet at 128 pixels, single runs)";

impl Experiment {
    /// All experiments.
    pub const ALL: [Self; 8] = [
        Self::Relu,
        Self::Lrn,
        Self::Overlap,
        Self::Columns,
        Self::Dropout,
        Self::Augment,
        Self::Views,
        Self::Ensemble,
    ];

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Lrn => "lrn",
            Self::Overlap => "overlap",
            Self::Columns => "columns",
            Self::Dropout => "dropout",
            Self::Augment => "augment",
            Self::Views => "views",
            Self::Ensemble => "ensemble",
        }
    }

    /// Returns the experiment with this name.
    ///
    /// # Errors
    /// Returns an error that lists all names if no experiment has this one.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|experiment| experiment.name() == name).ok_or_else(|| {
            Error::usage(format!("no experiment is named `{name}`"))
                .help(format!("experiments: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }

    /// Returns the question that the experiment answers.
    pub const fn question(self) -> &'static str {
        match self {
            Self::Relu => "How much faster do ReLUs reach 25 % training error than tanh units?",
            Self::Lrn => "What does response normalization gain?",
            Self::Overlap => "What does overlapping pooling gain?",
            Self::Columns => {
                "What do two columns gain over one of the same size, and over columns that never exchange?"
            }
            Self::Dropout => "What does dropout gain?",
            Self::Augment => "What do random crops, flips and color noise gain?",
            Self::Views => "What do ten views gain over the center view?",
            Self::Ensemble => "What does an ensemble gain over its best member?",
        }
    }

    /// Returns the paper's result, and results that confirm or contradict it.
    pub const fn findings(self) -> &'static [Finding] {
        match self {
            Self::Relu => &[
                Finding {
                    finding: "a four-layer network on CIFAR-10 reaches 25 % training error six times faster with ReLUs",
                    source: "the paper, Fig. 1",
                },
                Finding { finding: "top-1 0.401 with tanh, 0.470 with ReLUs", source: BENCHMARK },
            ],
            Self::Lrn => &[
                Finding {
                    finding: "1.4 points of top-1 and 1.2 of top-5 error on ImageNet; 13 % to 11 % error on CIFAR-10",
                    source: "the paper, section 3.3",
                },
                Finding { finding: "42.034 / 19.362 % without, 40.664 / 18.210 % with", source: LOGS },
                Finding { finding: "no gain: top-1 0.471 without, 0.470 with", source: BENCHMARK },
            ],
            Self::Overlap => &[
                Finding {
                    finding: "0.4 points of top-1 and 0.3 of top-5 error on ImageNet",
                    source: "the paper, section 3.4",
                },
                Finding {
                    finding: "41.058 / 18.510 % without overlap, 40.664 / 18.210 % with",
                    source: LOGS,
                },
                Finding {
                    finding: "a loss: top-1 0.484 without overlap, 0.471 with, but pool5 is larger without",
                    source: BENCHMARK,
                },
            ],
            Self::Columns => &[
                Finding {
                    finding: "1.7 points of top-1 and 1.2 of top-5 error over one column with half as many kernels",
                    source: "the paper, section 3.2",
                },
                Finding {
                    finding: "41.828 / 19.330 % if columns never exchange, 40.664 / 18.210 % if they do",
                    source: LOGS,
                },
            ],
            Self::Dropout => &[
                Finding {
                    finding: "without dropout the network overfits substantially; dropout doubles the iterations to converge",
                    source: "the paper, section 4.2",
                },
                Finding { finding: "a rate of 0.3 gains 2.6 points of top-1 over 0.5", source: BENCHMARK },
            ],
            Self::Augment => &[
                Finding {
                    finding: "without crops and flips the network overfits substantially; color noise gains over 1 point of top-1",
                    source: "the paper, section 4.1",
                },
                Finding {
                    finding: "57.1 % top-1 accuracy on ImageNet without color noise (center view)",
                    source: "Caffe's bvlc_alexnet",
                },
            ],
            Self::Views => &[
                Finding {
                    finding: "39.0 / 18.3 % error with the center view, 37.5 / 17.0 % with ten (ILSVRC-2010)",
                    source: "the paper, section 6",
                },
                Finding {
                    finding: "39.025 / 18.295 % with the center view, 37.473 / 16.999 % with ten (ILSVRC-2010)",
                    source: LOGS,
                },
            ],
            Self::Ensemble => &[Finding {
                finding: "40.7 / 18.2 % error of one network, 38.1 / 16.4 % of five (ILSVRC-2012)",
                source: "the paper, section 6, Table 2",
            }],
        }
    }
}
