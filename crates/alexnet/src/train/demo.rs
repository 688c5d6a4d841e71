//! `alexnet demo`: images that come with the program, the paper's ingredients in a small network, two minutes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use super::{Config, Report, RunFolder, train};
use crate::Result;
use crate::data::{Image, embedded};
use crate::error::shell;
use crate::eval::{Predictor, topk::top};
use crate::net::Recipe;
use crate::train::progress::Display;
use crate::train::run::Run;
use crate::train::signals::Interrupt;

/// Test images that are shown with what the network makes of them.
const SHOWN: usize = 4;

/// How the demo is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run folder; `None`: `runs/demo-1`, or the first higher number that is free.
    pub run: Option<PathBuf>,
    /// The command line, for the records.
    pub command: String,
    /// What all random numbers follow from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// Threads that load images.
    pub workers: usize,
    /// How progress is shown.
    pub display: Display,
    /// Ends training early, with what was learned saved.
    pub interrupt: Interrupt,
}

/// Trains the recipe `small` on the embedded images, and shows some of them with their five most probable classes.
/// Everything is written to `out`; progress goes to stderr.
///
/// # Errors
/// As [`train`], and when `out` cannot be written to.
pub fn demo(options: Options, out: &mut dyn Write) -> Result<Report> {
    let dataset = embedded::fashion_mnist()?;
    let test = dataset.split("test")?.clone();
    let run = match options.run {
        Some(run) => run,
        None => Run::claim("demo")?,
    };
    let config = Config {
        run: RunFolder::New(Some(run)),
        command: options.command,
        seed: options.seed,
        threads: options.threads,
        workers: options.workers,
        display: options.display,
        interrupt: options.interrupt,
        ..Config::new(Recipe::load("small")?, dataset)
    };
    let report = train(config)?;
    if report.interrupted.is_some() {
        return Ok(report);
    }
    let mut predictor = Predictor::load(&report.run, 10, options.threads, false)?;
    for shown in 0..SHOWN {
        // Spread over the test images, so that several classes are seen.
        let index = (2 * shown + 1) * test.len() / (2 * SHOWN);
        let Ok(image) = test.image(index)? else { continue };
        let probabilities = predictor.probabilities(&image, predictor.views)?;
        let label = &predictor.classes[test.label(index) as usize];
        let best: Vec<(String, f64)> = top(&probabilities, 5)
            .into_iter()
            .map(|(class, p)| (predictor.classes[class].clone(), p))
            .collect();
        write(out, &beside(&draw(&image, Ink::detect()), &captions(label, &best)))?;
    }
    write(out, &next_commands(&report))?;
    Ok(report)
}

fn write(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").map_err(|error| crate::Error::io("standard output", "write", &error))
}

/// What the network says, one line each: the true class, then the five most probable with bars.
fn captions(label: &str, best: &[(String, f64)]) -> Vec<String> {
    let mut lines = vec![String::new(), format!("this is: {label}"), String::new()];
    for (name, probability) in best {
        let bar = "#".repeat((probability * 20.0).round() as usize);
        lines.push(format!("{name:<12} {:>5.1} %  {bar}", 100.0 * probability));
    }
    lines
}

/// Lines of an image and lines of text side by side.
fn beside(image: &[String], text: &[String]) -> String {
    let rows = image.len().max(text.len());
    let cell = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
    (0..rows).map(|row| format!("  {}   {}\n", cell(image, row), cell(text, row))).collect()
}

/// What a terminal can show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ink {
    /// Characters.
    Plain,
    /// The 24 grays of the palette of 256.
    Grays,
    /// Every color.
    Full,
}

impl Ink {
    /// What standard output can show, as the environment tells.
    fn detect() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is = |name: &str, values: &[&str]| {
            std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
        };
        if is_set("NO_COLOR") || is("TERM", &["dumb"]) || !std::io::stdout().is_terminal() {
            return Self::Plain;
        }
        if is("COLORTERM", &["truecolor", "24bit"]) { Self::Full } else { Self::Grays }
    }

    /// Two pixels, one above the other, as one character.
    fn cell(self, upper: [u8; 3], lower: [u8; 3]) -> String {
        let gray =
            |pixel: [u8; 3]| 232 + pixel.iter().map(|&value| usize::from(value)).sum::<usize>() * 23 / 765;
        match self {
            Self::Plain => shade(upper, lower).to_string(),
            Self::Grays => format!("\x1b[38;5;{}m\x1b[48;5;{}m\u{2580}", gray(upper), gray(lower)),
            Self::Full => {
                let ([r, g, b], [s, h, c]) = (upper, lower);
                format!("\x1b[38;2;{r};{g};{b}m\x1b[48;2;{s};{h};{c}m\u{2580}")
            }
        }
    }
}

/// An image as lines of text, two rows of pixels to a line.
fn draw(image: &Image, ink: Ink) -> Vec<String> {
    let pixel = |x: usize, y: usize| -> [u8; 3] {
        let y = y.min(image.height - 1);
        std::array::from_fn(|c| image.pixels[3 * (y * image.width + x) + c])
    };
    let row = |y: usize| -> String {
        let cells = (0..image.width).map(|x| ink.cell(pixel(x, y), pixel(x, y + 1)));
        cells.collect::<String>() + if ink == Ink::Plain { "" } else { "\x1b[0m" }
    };
    (0..image.height).step_by(2).map(row).collect()
}

/// Two pixels as one of ten characters of growing darkness on paper.
fn shade(upper: [u8; 3], lower: [u8; 3]) -> char {
    const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
    let light = upper.iter().chain(&lower).map(|&value| usize::from(value)).sum::<usize>() / 6;
    SHADES[light * 9 / 255]
}

/// What to try next, as commands that work.
fn next_commands(report: &Report) -> String {
    let run = report.run.display();
    let mut text = String::new();
    if let Some(found) = &report.evaluation {
        text += &format!(
            "test accuracy: {:.2} % top-1, {:.2} % top-5 of {} images, after {} epochs and {:.0} seconds\n",
            100.0 * found.top1_share(),
            100.0 * found.top5_share(),
            found.images,
            report.epochs,
            report.seconds
        );
    }
    text + &format!(
        "the run is in {run}\n\n\
         Next, on images of your own, in one folder for each class:\n  \
         alexnet train IMAGES --recipe small --epochs 20\n  \
         alexnet classify {} IMAGE.jpg\n  \
         alexnet recipe show paper\n\
         (from a checkout: cargo run --release -- in place of alexnet)",
        shell(&report.run)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_have_a_line_for_two_rows() {
        let image = Image::from_gray(3, 5, &[0; 15]);
        let lines = draw(&image, Ink::Plain);
        assert_eq!(lines.len(), 3);
        assert!(Ink::Grays.cell([0; 3], [255; 3]).starts_with("\x1b[38;5;232m\x1b[48;5;255m"));
        assert_eq!(shade([255; 3], [255; 3]), '@');
        assert_eq!(shade([0; 3], [0; 3]), ' ');
    }

    #[test]
    fn captions_name_the_class_and_the_five_best() {
        let best = vec![("Bag".to_owned(), 0.75), ("Coat".to_owned(), 0.25)];
        let lines = captions("Bag", &best);
        assert!(lines[1].contains("Bag") && lines[3].ends_with(&"#".repeat(15)), "{lines:?}");
    }
}
