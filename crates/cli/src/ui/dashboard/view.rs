//! The dashboard's layout.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table};

use alexnet::format::{self, duration, grouped, significant};
use alexnet::train::plots::thinned;

use super::state::State;

/// Draws everything that fits; the table of layers is left out first.
pub(super) fn draw(frame: &mut Frame, state: &State) {
    let area = frame.area();
    let layers = layers(state);
    let table = if layers.is_empty() || area.height < 20 { 0 } else { layers.len() as u16 + 2 };
    let charts = if area.height < 12 { Constraint::Length(0) } else { Constraint::Min(7) };
    let heights = [2, 1].map(Constraint::Length).into_iter();
    let heights =
        heights.chain([charts, Constraint::Length(table), Constraint::Fill(1), Constraint::Length(1)]);
    let parts = Layout::vertical(heights).split(area);
    frame.render_widget(Paragraph::new(title(state)), parts[0]);
    gauge(frame, state, parts[1]);
    curves(frame, state, parts[2]);
    health(frame, state, &layers, parts[3]);
    messages(frame, state, parts[4]);
    frame.render_widget(Paragraph::new(keys(state, parts[5].width as usize)), parts[5]);
}

fn color(state: &State, color: Color) -> Style {
    if state.colors { Style::new().fg(color) } else { Style::new() }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn title(state: &State) -> Vec<Text<'_>> {
    let title = &state.title;
    let first = Text::from(vec![
        Span::styled(title.run.as_str(), bold()),
        Span::raw(format!("  recipe {}", title.recipe)),
    ]);
    let Some(last) = &state.last else { return vec![first] };
    let mut second = format!(
        "epoch {} of {}  step {}  lr {}  {} images/s",
        last.epoch,
        title.epochs,
        grouped(last.step),
        last.lr,
        significant(f64::from(last.images_per_second))
    );
    if let Some(left) = state.seconds_left() {
        second += &format!("  {} left", duration(left));
    }
    if state.stopping {
        second += "  stopping";
    }
    vec![first, Text::from(second)]
}

fn gauge(frame: &mut Frame, state: &State, area: Rect) {
    let Some(pass) = &state.pass else { return };
    let share = (pass.done as f64 / pass.total.max(1) as f64).clamp(0.0, 1.0);
    let (done, total) = (grouped(pass.done as usize), grouped(pass.total as usize));
    let mut label = format!("{}: {done} of {total}", pass.name);
    if let Some(throughput) = pass.throughput.filter(|&throughput| throughput > 0.0) {
        let left = duration(pass.total.saturating_sub(pass.done) as f64 / throughput);
        label += &format!(", {} {}/s, {left} left", significant(throughput), pass.unit);
    }
    // Without colors the bar is in reverse video.
    let style = if state.colors { Style::new().fg(Color::Blue).bg(Color::Black) } else { Style::new() };
    frame.render_widget(Gauge::default().ratio(share).label(label).gauge_style(style), area);
}

fn curves(frame: &mut Frame, state: &State, area: Rect) {
    let Some(last) = &state.last else { return };
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(area);
    let curves = &state.curves;
    let found = |text: Option<String>| text.map_or(String::new(), |text| format!(", validation {text}"));
    let (loss, share) =
        (|loss: f32| format::loss(loss.into(), 4), |share: f32| format!("{:.2} %", 100.0 * share));
    let validation = state.validation;
    let title = format!("loss {}{}", loss(last.loss), found(validation.map(|found| loss(found.loss))));
    chart(frame, state, left, title, &curves.loss, &curves.val_loss);
    let title = format!("top-1 {}{}", share(last.top1), found(validation.map(|found| share(found.top1))));
    chart(frame, state, right, title, &curves.top1, &curves.val_top1);
}

/// Training as a line, validation as large dots: distinct without colors too.
fn chart(
    frame: &mut Frame,
    state: &State,
    area: Rect,
    title: String,
    training: &[(f64, f64)],
    found: &[(f64, f64)],
) {
    let (training, found) = (thinned(training), thinned(found));
    let values = || training.iter().chain(&found).map(|point| point.1).filter(|value| value.is_finite());
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (least, most) = if least <= most { (least, most) } else { (0.0, 1.0) };
    // A margin around the curves, also around a flat one.
    let room = ((most - least) * 0.05).max(most.abs() * 1e-3).max(1e-6);
    let ends = [(least - room).max(0.0_f64.min(least)), most + room];
    let last = training.iter().chain(&found).map(|point| point.0).fold(1.0, f64::max);
    let datasets = vec![
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(color(state, Color::Cyan))
            .data(&training),
        Dataset::default()
            .marker(Marker::Dot)
            .graph_type(GraphType::Scatter)
            .style(color(state, Color::Yellow))
            .data(&found),
    ];
    let labels = [ends[0], (ends[0] + ends[1]) / 2.0, ends[1]].map(significant);
    let block = Block::new().borders(Borders::TOP).title(title).title_style(bold());
    let axis = || Axis::default().style(color(state, Color::DarkGray));
    let chart = Chart::new(datasets)
        .block(block)
        .x_axis(axis().bounds([0.0, last]).labels(["0".to_owned(), grouped(last as usize)]))
        .y_axis(axis().bounds(ends).labels(labels));
    frame.render_widget(chart, area);
}

/// The layers with statistics, by name.
fn layers(state: &State) -> Vec<&str> {
    let mut layers: Vec<&str> =
        state.health.keys().filter_map(|name| name.rsplit_once('/')).map(|name| name.0).collect();
    layers.dedup();
    layers
}

fn health(frame: &mut Frame, state: &State, layers: &[&str], area: Rect) {
    let of = |layer: &str, what: &str| state.health.get(&format!("{layer}/{what}")).copied();
    let plain = |value: Option<f32>| Span::raw(value.map_or(String::new(), |value| format!("{value:.2e}")));
    // Bad values are marked by more than a color.
    let marked = |text: String, bad: bool| {
        if bad {
            Span::styled(format!("{text} !"), color(state, Color::Red).patch(bold()))
        } else {
            Span::raw(text)
        }
    };
    let row = |layer: &&str| {
        let ratio = of(layer, "ratio").map_or(Span::raw(""), |ratio| match ratio {
            0.0 => Span::styled("none", color(state, Color::Yellow)),
            ratio => marked(format!("{ratio:.2e}"), !(1e-5..=1e-1).contains(&ratio)),
        });
        let dead = of(layer, "dead");
        let dead = dead.map_or(Span::raw(""), |dead| marked(format!("{:.1} %", 100.0 * dead), dead > 0.5));
        let [activation, gradient, weight] =
            ["activation", "gradient", "weight"].map(|what| plain(of(layer, what)));
        Row::new([Span::raw(layer.to_string()), activation, gradient, weight, ratio, dead])
    };
    let header = Row::new(["layer", "activation", "gradient", "weight", "update/weight", "dead"]);
    let widths = [10, 11, 11, 11, 14, 9].map(Constraint::Length);
    let table = Table::new(layers.iter().map(row), widths).header(header.style(bold()));
    frame.render_widget(table.block(Block::new().borders(Borders::TOP)), area);
}

/// The latest messages, as many as fit.
fn messages(frame: &mut Frame, state: &State, area: Rect) {
    let room = area.height.saturating_sub(1) as usize;
    let mut latest: Vec<Text> = state.messages().rev().take(room).map(Text::from).collect();
    latest.reverse();
    let block = Block::new().borders(Borders::TOP).title("messages").title_style(bold());
    frame.render_widget(Paragraph::new(latest).block(block), area);
}

fn keys(state: &State, width: usize) -> Text<'_> {
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    if let Some(input) = &state.input {
        // Of a long text, show the end.
        let help = "  (lr=0.001, freeze=conv1; Enter sends, Esc cancels)";
        let hidden = input.chars().count().saturating_sub(width.saturating_sub(8));
        let shown: String = input.chars().skip(hidden).collect();
        return Text::from(vec![Span::styled("edit", reversed), Span::raw(format!(" {shown}_{help}"))]);
    }
    let stop = if state.stopping { " quit at once  " } else { " stop  " };
    let keys = [("q", stop), ("c", " checkpoint now  "), ("e", " edit")];
    Text::from_iter(keys.into_iter().flat_map(|(key, what)| [Span::styled(key, reversed), Span::raw(what)]))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use alexnet::train::metrics::{Line, Validation};

    use super::*;
    use crate::ui::dashboard::controls::Title;
    use crate::ui::dashboard::state::Pass;

    fn pass(name: &str, done: u64, total: u64, throughput: f64) -> Pass {
        Pass { name: name.into(), unit: "images", done, total, throughput: Some(throughput) }
    }

    fn state() -> State {
        let title = Title { run: "runs/paper-1".into(), recipe: "paper".into(), epochs: 90, steps: 900_000 };
        let mut state = State::new(title, &[], true);
        for step in 1..=600 {
            let health = |layer: usize| {
                let name = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"][layer];
                let values = [("activation", 0.5), ("gradient", 0.001), ("weight", 0.0123), ("ratio", 1e-3)];
                let dead = (layer < 7).then_some(("dead", 0.125));
                values.into_iter().chain(dead).map(move |(what, value)| (format!("{name}/{what}"), value))
            };
            let mut line = Line {
                step: 20 * step,
                epoch: 1 + step / 200,
                seconds: step as f64,
                loss: 7.0 - (step as f32).sqrt() / 5.0 + (step as f32).sin() / 10.0,
                top1: step as f32 / 2000.0,
                lr: 0.01,
                images_per_second: 1310.0,
                waiting: 0.0,
                validation: None,
                health: (0..8).flat_map(health).collect(),
            };
            line.health.insert("conv3/dead".into(), 0.75);
            line.health.insert("fc6/ratio".into(), 0.0);
            line.health.insert("fc7/ratio".into(), 0.25);
            state.line(&line);
            if step % 200 == 0 {
                line.validation = Some(Validation { loss: 3.4567, top1: 0.2345, top5: 0.5 });
                line.health.clear();
                state.line(&line);
            }
        }
        state.pass = Some(pass("epoch 4 of 90", 250_000, 1_281_167, 1310.0));
        state.say("epoch 3: rate 0.01, loss 2.1010");
        state
    }

    fn drawn(state: &State, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal
    }

    #[test]
    fn the_screen_shows_the_numbers_of_the_line() {
        let mut state = state();
        for (width, height) in [(80, 24), (120, 40)] {
            let screen = drawn(&state, width, height).backend().to_string();
            println!("{screen}");
            let last = state.last.clone().unwrap();
            let loss = format!("loss {:.4}, validation 3.4567", last.loss);
            for text in [
                "runs/paper-1  recipe paper",
                "epoch 4 of 90  step 12,000  lr 0.01  1,310 images/s  12 h 20 min left",
                "epoch 4 of 90: 250,000 of 1,281,167, 1,310 images/s, 13 min left",
                &loss,
                "top-1 30.00 %, validation 23.45 %",
                "conv3      5.00e-1     1.00e-3     1.23e-2     1.00e-3        75.0 % !",
                "fc6        5.00e-1     1.00e-3     1.23e-2     none           12.5 %",
                "fc7        5.00e-1     1.00e-3     1.23e-2     2.50e-1 !      12.5 %",
                "epoch 3: rate 0.01, loss 2.1010",
                "q stop  c checkpoint now  e edit",
            ] {
                assert!(screen.contains(text), "{text} is not in\n{screen}");
            }
        }
        state.input = Some("lr=0.001".to_owned());
        state.stopping = true;
        let screen = drawn(&state, 80, 24).backend().to_string();
        assert!(screen.contains("edit lr=0.001_") && screen.contains("left  stopping"), "{screen}");
    }

    #[test]
    fn no_color_is_used_without_colors() {
        let mut state = state();
        let colored = |state: &State| {
            let terminal = drawn(state, 100, 40);
            let cells = &terminal.backend().buffer().content;
            cells.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
        };
        assert!(colored(&state) > 100);
        state.colors = false;
        assert_eq!(colored(&state), 0);
    }

    #[test]
    fn every_size_can_be_drawn() {
        let (mut full, empty) = (state(), State::new(Title::default(), &[], true));
        full.input = Some("lr=0.001 and much more than fits".to_owned());
        let sizes = (1..=30).flat_map(|height| (1..=90).step_by(7).map(move |width| (width, height)));
        for (width, height) in sizes.chain([(1, 1), (2, 1), (1, 2), (300, 3), (3, 300), (300, 100)]) {
            drawn(&full, width, height);
            drawn(&empty, width, height);
        }
    }

    #[test]
    fn odd_values_can_be_drawn() {
        let mut state = state();
        let mut line = state.last.clone().unwrap();
        for value in [0.0, -1.0, 1e30, 1e-30, f32::NAN, f32::INFINITY] {
            (line.loss, line.top1, line.lr, line.images_per_second) = (value, value, value, value);
            line.health.values_mut().for_each(|health| *health = value);
            line.validation = Some(Validation { loss: value, top1: value, top5: value });
            state.line(&line);
            state.pass = Some(pass("epoch", 10, 0, f64::from(value)));
            drawn(&state, 80, 24);
        }
    }
}
