//! Accuracy by confidence.

use plotters::prelude::*;

use crate::eval::statistics::{Bin, Calibration, wilson};

const SIZE: (u32, u32) = (640, 720);
/// The height of the upper part: accuracy. The lower part shows how many images each bin has.
const UPPER: u32 = 520;
const INK: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(230, 230, 230);
const BAR: RGBColor = RGBColor(31, 119, 180);

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// Draws the accuracy of each bin with its interval, the diagonal of perfect calibration, and the share of the images in each
/// bin.
pub(super) fn svg(calibration: &Calibration) -> Result<String, String> {
    let mut svg = String::new();
    draw(calibration, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw<'a>(calibration: &Calibration, svg: &'a mut String) -> Result<(), Failed<'a>> {
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("Accuracy by confidence: ECE {:.2} %", 100.0 * calibration.ece);
    root.draw(&Text::new(title, (24, 16), font(22)))?;
    let (upper, lower) = root.split_vertically(UPPER);
    let mut chart = ChartBuilder::on(&upper)
        .margin_top(60)
        .margin_right(30)
        .margin_left(10)
        .x_label_area_size(30)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(font(16))
        .y_desc("accuracy")
        .axis_desc_style(font(16))
        .draw()?;
    for bin in &calibration.bins {
        let (Some(accuracy), Some(confidence)) = (bin.accuracy, bin.confidence) else { continue };
        let bar = [(bin.low, 0.0), (bin.high, accuracy)];
        chart.draw_series([
            Rectangle::new(bar, BAR.mix(0.35).filled()),
            Rectangle::new(bar, BAR.stroke_width(1)),
        ])?;
        let interval = wilson((accuracy * bin.images as f64).round() as usize, bin.images);
        let ends = vec![(confidence, interval.low), (confidence, interval.high)];
        chart.draw_series([PathElement::new(ends, BAR.stroke_width(2))])?;
        chart.draw_series([Circle::new((confidence, accuracy), 3, BAR.filled())])?;
    }
    chart.draw_series([PathElement::new(vec![(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1))])?;

    let images: usize = calibration.bins.iter().map(|bin| bin.images).sum();
    let share = |bin: &Bin| bin.images as f64 / images.max(1) as f64;
    let most = calibration.bins.iter().map(share).fold(0.01, f64::max);
    let mut chart = ChartBuilder::on(&lower)
        .margin_top(10)
        .margin_right(30)
        .margin_left(10)
        .margin_bottom(10)
        .x_label_area_size(50)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..1.0, 0.0..most)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(font(16))
        .y_labels(4)
        .x_desc("confidence")
        .y_desc("share of images")
        .axis_desc_style(font(16))
        .draw()?;
    let bars = calibration.bins.iter().filter(|bin| bin.images > 0);
    chart.draw_series(
        bars.map(|bin| Rectangle::new([(bin.low, 0.0), (bin.high, share(bin))], INK.mix(0.5).filled())),
    )?;
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ALEXNET_PLOTS=FOLDER` keeps the plot for inspection.
    #[test]
    fn any_calibration_can_be_drawn() {
        let many = (0..1000).map(|i| {
            let confidence = f64::from(i).sqrt() / 1000_f64.sqrt();
            (confidence, f64::from(i * 37 % 1000) < 800.0 * confidence)
        });
        for (name, calibration) in [
            ("none", Calibration::of([])),
            ("one", Calibration::of([(1.0, true)])),
            ("many", Calibration::of(many)),
        ] {
            let svg = svg(&calibration).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.contains(&format!("ECE {:.2} %", 100.0 * calibration.ece)));
            if let Some(folder) = std::env::var_os("ALEXNET_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("calibration-{name}.svg")), svg)
                    .unwrap();
            }
        }
    }
}
