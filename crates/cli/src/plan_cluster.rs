//! `alexnet plan-cluster`.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::cluster::PlanClusterArgs;
use super::args::job::{COLUMNS, ParallelScheme};
use super::cluster::Cluster;
use super::exit::CommandResult;
use super::output::Output;
use super::recipe;
use alexnet::Error;
use alexnet::error::shell;
use alexnet::format::{counted, grouped};
use alexnet::net::{Network, Recipe};
use alexnet::parallel::cost::layer_times::{self, LayerTimes, Measurement};
use alexnet::parallel::cost::link::{Link, Topology};
use alexnet::parallel::cost::plan::{Expectation, Load, NODES, Plan, Row, SchemeRow};
use alexnet::parallel::cost::published::{TwoCards, two_cards};
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::transport::Lane;
use alexnet::parallel::{Collective, FcExchange, Scheme};
use alexnet::train::layer_times::measure;
use alexnet::train::plots::draw_scaling;

/// Latency of a network of which only the bandwidth is given.
const LATENCY: f64 = 30e-6;

/// The largest batch that is measured: images of larger ones take as long.
const MOST_IMAGES: usize = 128;

/// A plan for one network.
struct Table {
    name: String,
    link: Link,
    rows: Vec<Row>,
}

pub(crate) fn run(args: &PlanClusterArgs, cluster: &Cluster, out: &mut Output) -> CommandResult {
    if args.measure_link {
        return measure_link(cluster, out);
    }
    check(args)?;
    let recipe = recipe::load(&args.recipe)?;
    let network = Network::new(&recipe, recipe.classes)?;
    let load = match (args.global_batch, args.images_per_node) {
        (Some(images), _) => Load::GlobalBatch(images as usize),
        (None, Some(images)) => Load::ImagesPerNode(images as usize),
        (None, None) => Load::ImagesPerNode(recipe.optimizer.batch),
    };
    let nodes: Vec<usize> = match args.nodes.as_slice() {
        [] => NODES.to_vec(),
        nodes => nodes.iter().map(|&nodes| nodes as usize).collect(),
    };
    let measurements = match args.layers.as_slice() {
        [] => {
            let sizes = sizes(load, &nodes, args.ranks_per_node as usize);
            out.note(&format!("measuring the layers of `{}` on this machine", recipe.name));
            measure(&recipe, &sizes, args.machine.threads())?
        }
        files => files.iter().map(|file| layer_times::read(file)).collect::<Result<Vec<_>, _>>()?.concat(),
    };
    let layers = LayerTimes::new(&recipe, &network, &measurements).map_err(|error| {
        // A file or a run folder is found by what was typed, not by the name in its recipe.
        let recipe = shell(&args.recipe);
        error.help(format!(
            "measure them with `alexnet bench --layers --json --recipe {recipe} > layers.json`"
        ))
    })?;
    let schemes: Vec<Scheme> = args.parallel.iter().map(|&name| scheme(name, args)).collect();
    let table = |(name, outer): (String, Link)| {
        let inner = Link {
            latency_seconds: args.inner_latency.unwrap_or(Link::SHARED_MEMORY.latency_seconds),
            bytes_per_second: args.inner_bandwidth.unwrap_or(Link::SHARED_MEMORY.bytes_per_second),
        };
        let topology = Topology { ranks_per_node: args.ranks_per_node as usize, inner, outer };
        let (network, layers, schemes) = (&network, &layers, &schemes[..]);
        let precision = args.exchange_precision.into();
        let plan = Plan { network, layers, topology, slowdown: args.slowdown, schemes, load, precision };
        Ok(Table { name, link: outer, rows: plan.rows(&nodes)? })
    };
    let tables = links(args).into_iter().map(table).collect::<alexnet::Result<Vec<Table>>>()?;
    let cards = two_cards()?;
    if let (Some(path), Some(first)) = (&args.svg, tables.first()) {
        draw_scaling(path, &first.rows, &first.name)?;
    }
    out.result(
        || text(&recipe, load, &measurements, &tables, &cards),
        || to_json(&recipe, load, args, &measurements, &tables, &cards),
    )?;
    Ok(0)
}

/// Rejects options without effect.
fn check(args: &PlanClusterArgs) -> alexnet::Result<()> {
    let columns = args.columns.filter(|_| !args.parallel.contains(&ParallelScheme::Columns));
    if let Some(columns) = columns {
        let message = format!("`--columns {columns}` has no effect without `columns` in `--parallel`");
        return Err(Error::usage(message).help("add `columns` to `--parallel`, or leave the option out"));
    }
    let inner = [
        ("--inner-latency", args.inner_latency.is_some()),
        ("--inner-bandwidth", args.inner_bandwidth.is_some()),
    ];
    match inner.iter().find(|(_, given)| *given) {
        Some((option, _)) if args.ranks_per_node == 1 => {
            Err(Error::usage(format!("`{option}` has no effect with one process per node"))
                .help("plan more of them, as in `--ranks-per-node 2`, or leave the option out"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Measures the link between the first two processes of the job.
fn measure_link(cluster: &Cluster, out: &mut Output) -> CommandResult {
    let world = Collective::world(cluster.transport(), Lane::Main, Payload::Control, &Arc::default());
    let link = Link::measure(&world)?;
    if cluster.is_root() {
        let (latency, rate) = (1e6 * link.latency_seconds, rate(link.bytes_per_second));
        let bandwidth = rate.replace(' ', "").replace("/s", "");
        out.result(
            || {
                format!(
                    "latency {latency:.1} us, bandwidth {rate} in each direction\n\
                     use them  alexnet plan-cluster --latency {latency:.1}us --bandwidth {bandwidth}\n"
                )
            },
            || serde_json::to_value(link).expect("numbers are JSON"),
        )?;
    }
    Ok(0)
}

fn scheme(name: ParallelScheme, args: &PlanClusterArgs) -> Scheme {
    match name {
        ParallelScheme::Data => Scheme::Data,
        ParallelScheme::Columns => Scheme::Columns { columns: args.columns.map_or(COLUMNS, |n| n as usize) },
        ParallelScheme::Hybrid => Scheme::Hybrid { exchange: FcExchange::Gather },
    }
}

/// The networks to plan for, with their names.
fn links(args: &PlanClusterArgs) -> Vec<(String, Link)> {
    let latency_seconds = args.latency.unwrap_or(LATENCY);
    let given = |&bytes_per_second: &f64| {
        let link = Link { latency_seconds, bytes_per_second };
        (rate(bytes_per_second), link)
    };
    match (args.bandwidth.as_slice(), args.network.as_slice()) {
        ([], []) => {
            Link::presets().filter_map(Link::preset).map(|(name, link)| (name.into(), link)).collect()
        }
        ([], networks) => networks.iter().map(|(name, link)| ((*name).into(), *link)).collect(),
        (bandwidths, _) => bandwidths.iter().map(given).collect(),
    }
}

/// Batch sizes to measure: those of one rank, in steps of four from the fewest images to the most.
fn sizes(load: Load, nodes: &[usize], ranks_per_node: usize) -> Vec<usize> {
    let images = || nodes.iter().map(|&nodes| load.images_per_rank(nodes, ranks_per_node));
    let limit = |images: f64| (images.round() as usize).clamp(1, MOST_IMAGES);
    let least = limit(images().fold(f64::INFINITY, f64::min));
    let most = limit(images().fold(0.0, f64::max));
    let mut sizes: Vec<usize> = std::iter::successors(Some(most), |size| Some(size / 4))
        .take_while(|&size| size > least)
        .chain(std::iter::once(least))
        .collect();
    sizes.reverse();
    sizes
}

fn to_json(
    recipe: &Recipe,
    load: Load,
    args: &PlanClusterArgs,
    measurements: &[Measurement],
    tables: &[Table],
    cards: &TwoCards,
) -> Value {
    let networks =
        tables.iter().map(|Table { name, link, rows }| json!({ "name": name, "link": link, "rows": rows }));
    json!({
        "recipe": recipe.name,
        "load": load,
        "ranks_per_node": args.ranks_per_node,
        "measurements": measurements,
        "networks": networks.collect::<Vec<_>>(),
        "paper": cards,
    })
}

fn text(
    recipe: &Recipe,
    load: Load,
    measurements: &[Measurement],
    tables: &[Table],
    cards: &TwoCards,
) -> String {
    let load = match load {
        Load::ImagesPerNode(images) => format!("{images} images per step and node"),
        Load::GlobalBatch(images) => format!("{} images per step", grouped(images)),
    };
    let sizes = measurements.iter().map(|found| found.batch.to_string()).collect::<Vec<_>>().join(", ");
    let threads = measurements.first().map_or(0, |found| found.threads);
    let mut text = format!(
        "recipe {}, {load}; layers measured with {} and {sizes} images\n",
        recipe.name,
        counted(threads, "thread"),
    );
    for table in tables {
        text += &table_text(table);
    }
    text + &cards_text(cards)
}

/// A row for each number of nodes, and columns for each scheme.
fn table_text(Table { name, link, rows }: &Table) -> String {
    let latency = 1e6 * link.latency_seconds;
    let mut text = format!("\n{name}: {latency:.0} us, {} of data\n{:>6} ", rate(link.bytes_per_second), "");
    let schemes = rows.first().map_or(&[][..], |row| &row.schemes);
    for SchemeRow { scheme, .. } in schemes {
        let _ = write!(text, "  {scheme:^28}");
    }
    let _ = write!(text, "\n{:>6} ", "nodes");
    for _ in schemes {
        let _ = write!(text, "  {:>9} {:>11} {:>6}", "step ms", "images/s", "eff.");
    }
    text += "  best     limited by\n";
    for row in rows {
        let _ = write!(text, "{:>6} ", grouped(row.nodes));
        for entry in &row.schemes {
            text += &match &entry.outcome {
                Expectation::Throughput(found) => format!(
                    "  {:>9.1} {:>11} {:>4.0} %",
                    1e3 * found.duration.step_seconds,
                    grouped(found.images_per_second.round() as usize),
                    100.0 * found.efficiency
                ),
                Expectation::Unavailable { .. } => format!("  {:>9} {:>11} {:>6}", "-", "-", "-"),
            };
        }
        let best = row.schemes.iter().find(|entry| Some(entry.scheme) == row.best);
        text += &match best.and_then(|best| Some((best.scheme, best.outcome.forecast()?))) {
            Some((scheme, found)) => format!("  {scheme:<8} {}\n", found.limit.name()),
            None => "  -\n".into(),
        };
    }
    text
}

/// The paper's run.
fn cards_text(cards: &TwoCards) -> String {
    let [least, most] = cards.published_images_per_second;
    format!(
        "\nThe paper's two GTX 580, one column each, over PCI Express at 6 GB/s: the exchange takes {:.1} % of a step,\n\
         {:.0} images/s by the model ({:.0} per card, if a card reaches {:.0} % of its peak as a K20 did in \"One weird trick\");\n\
         published: 90 epochs in 5 to 6 days, {least:.0} to {most:.0} images/s.\n",
        100.0 * cards.exchange_share,
        cards.images_per_second,
        cards.card_images_per_second,
        100.0 * cards.share_of_peak,
    )
}

/// Formats bytes per second as bits.
fn rate(bytes_per_second: f64) -> String {
    let bits = 8.0 * bytes_per_second;
    match bits {
        bits if bits < 1e9 => format!("{} Mbit/s", round(bits / 1e6)),
        bits => format!("{} Gbit/s", round(bits / 1e9)),
    }
}

/// Two decimals, without zeros at the end.
fn round(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}
