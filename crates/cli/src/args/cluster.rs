//! `alexnet plan-cluster`.

use std::path::PathBuf;

use clap::Args;

use alexnet::parallel::cost::link::Link;

use super::common::MachineArgs;
use super::job::{ParallelScheme, Precision};
use super::values::{bandwidth, latency, network, share, svg_file, whole};

/// `alexnet plan-cluster`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet plan-cluster\n  \
                        alexnet plan-cluster --network 25GbE --exchange-precision f16 --svg plan.svg\n  \
                        alexnet plan-cluster --global-batch 4096 --latency 30us --bandwidth 10Gbit\n  \
                        alexnet bench --layers --json > layers.json    # on a node of the cluster\n  \
                        alexnet plan-cluster --layers layers.json --nodes 1,2,4,8")]
pub(crate) struct PlanClusterArgs {
    /// A built-in recipe or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    pub(crate) recipe: String,
    /// Images per step on each node: weak scaling [default: the recipe's batch]
    #[arg(long, value_name = "N", conflicts_with = "global_batch", value_parser = whole::<u32>(1..=65536))]
    pub(crate) images_per_node: Option<u32>,
    /// Images per step of all nodes together: strong scaling
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=1 << 24))]
    pub(crate) global_batch: Option<u32>,
    /// Numbers of nodes [default: powers of two to 1024, and 1000]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = whole::<u32>(1..=1 << 20))]
    pub(crate) nodes: Vec<u32>,
    /// Ways to share a training run, as in `alexnet train`
    #[arg(
        long,
        value_name = "SCHEME,...",
        value_delimiter = ',',
        default_value = "data,columns,hybrid",
        hide_possible_values = true
    )]
    pub(crate) parallel: Vec<ParallelScheme>,
    /// Number of processes that share the network, in `columns` [default: 2]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(2..=1024))]
    pub(crate) columns: Option<u32>,
    /// Networks between nodes: 1GbE, 10GbE, 25GbE, 100GbE [default: 1GbE,10GbE,25GbE,100GbE]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = network,
        conflicts_with_all = ["latency", "bandwidth"])]
    pub(crate) network: Vec<(&'static str, Link)>,
    /// Latency of a short message between nodes, as in 30us [default: 30us]
    #[arg(long, value_name = "TIME", value_parser = latency, requires = "bandwidth", allow_hyphen_values = true)]
    pub(crate) latency: Option<f64>,
    /// Bandwidths between nodes in each direction, in bits or bytes per second, as in 10Gbit or 1.2GB/s
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = bandwidth, allow_hyphen_values = true)]
    pub(crate) bandwidth: Vec<f64>,
    /// Measure latency and bandwidth between two processes instead: `mpirun -n 2 alexnet plan-cluster --measure-link`
    #[arg(
        long,
        conflicts_with_all = [
            "recipe",
            "images_per_node",
            "global_batch",
            "nodes",
            "parallel",
            "columns",
            "network",
            "latency",
            "bandwidth",
            "ranks_per_node",
            "inner_latency",
            "inner_bandwidth",
            "exchange_precision",
            "slowdown",
            "layers",
            "svg",
            "threads",
        ]
    )]
    pub(crate) measure_link: bool,
    /// Processes per node, which share its network and exchange through its memory first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1..=1024))]
    pub(crate) ranks_per_node: u32,
    /// Latency between processes of a node [default: 1us]
    #[arg(long, value_name = "TIME", value_parser = latency, requires = "ranks_per_node", allow_hyphen_values = true)]
    pub(crate) inner_latency: Option<f64>,
    /// Bandwidth between processes of a node [default: 4GB/s]
    #[arg(long, value_name = "RATE", value_parser = bandwidth, requires = "ranks_per_node", allow_hyphen_values = true)]
    pub(crate) inner_bandwidth: Option<f64>,
    /// Precision of exchanged gradients
    #[arg(long, value_name = "f32|f16", default_value = "f32", hide_possible_values = true)]
    pub(crate) exchange_precision: Precision,
    /// Share of its speed, 0 to 0.9, that a process loses while it exchanges gradients: 0 if a core is free for that
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_hyphen_values = true)]
    pub(crate) slowdown: f64,
    /// Layer times that `bench` or `plan-cluster` printed with `--json`, at one or several batch sizes [default: measured
    /// now, on this machine]
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "threads")]
    pub(crate) layers: Vec<PathBuf>,
    /// Also draw the efficiency as SVG, of the first network
    #[arg(long, value_name = "FILE.svg", value_parser = svg_file())]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
