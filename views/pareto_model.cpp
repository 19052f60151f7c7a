#include "views/pareto_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace polykv {

namespace {

bool same_result(const ScoreRow& a, const ScoreRow& b) {
  return a.plan == b.plan && a.kv_bytes == b.kv_bytes && a.recall.value == b.recall.value &&
         a.recall.n == b.recall.n;
}

void add_point(ParetoModel& model, ParetoKind kind, const ScoreRow& row, const std::string& name) {
  if (row.recall.n <= 0 || row.kv_bytes <= 0) return;
  model.points.push_back({kind, name, static_cast<double>(row.kv_bytes) / 1024, row.recall.value,
                          row.recall.low, row.recall.high, row.recall.n});
}

bool overlap(const Rect& a, const Rect& b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

}  // namespace

ParetoModel condense_pareto(const Snapshot& now, const Ui& ui) {
  ParetoModel out;
  out.stamp = "recall against KV bytes";
  if (!now.scored) {
    out.empty = "No runs yet. The first score makes a point.";
    return out;
  }
  out.stale = ui.pill != Pill::exact && ui.pill != Pill::none;
  // A search scores its plans on half of the cases: they grow beside the others, but make no front
  // with points of all cases.
  if (now.search && !now.search->result.steps.empty()) {
    for (const SearchStep& step : now.search->result.steps)
      add_point(out, ParetoKind::found, step.score, step.edit);
    out.stamp = "small: search half, n = " + std::to_string(now.search->search_cases);
  }
  for (const ScoreRow& run : now.runs)
    if (!same_result(run, now.score)) add_point(out, ParetoKind::run, run, run.plan);
  for (const ScoreRow& control : now.controls)
    add_point(out, ParetoKind::control, control, control.plan);
  add_point(out, ParetoKind::full, now.ceiling, "full");
  add_point(out, ParetoKind::current, now.score,
            now.plan.name.empty() ? now.score.plan : now.plan.name);
  if (out.points.empty()) {
    out.empty = "No run has a recall yet.";
    return out;
  }

  // Front: by KiB, the better recall first among equals; each next one must be better than all
  // that cost less.
  std::vector<int> order(out.points.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](int i) { return out.points[i].kind == ParetoKind::found; });
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    const ParetoPoint &p = out.points[a], &q = out.points[b];
    return p.kib != q.kib ? p.kib < q.kib : p.recall > q.recall;
  });
  double best = -1;
  for (int i : order)
    if (out.points[i].recall > best) {
      best = out.points[i].recall;
      out.front.push_back(i);
    }

  const double least = out.points[order.front()].kib, most = out.points[order.back()].kib;
  out.low_kib = least / 1.6;
  out.high_kib = std::max(most * 1.1, least * 1.6);
  out.ticks = {out.points.back().kib, most, least};
  for (double kib = std::exp2(std::ceil(std::log2(out.low_kib))); kib <= out.high_kib; kib *= 2)
    out.ticks.push_back(kib);
  return out;
}

double pareto_x(const ParetoModel& model, double kib) {
  return std::log(kib / model.low_kib) / std::log(model.high_kib / model.low_kib);
}

std::vector<Rect> place_labels(const std::vector<MarkPlace>& marks,
                               const std::vector<LabelWish>& wishes, float height, float gap,
                               Rect area, const std::vector<Rect>& blocked) {
  std::vector<Rect> placed;
  for (const LabelWish& wish : wishes) {
    const MarkPlace& mark = marks[wish.mark];
    const float out = mark.radius + gap, in = mark.radius, w = wish.width, h = height;
    const Rect tries[] = {
        {mark.x + out, mark.y - h / 2, w, h},     {mark.x - out - w, mark.y - h / 2, w, h},
        {mark.x - in, mark.y - out - h, w, h},    {mark.x - in, mark.y + out, w, h},
        {mark.x + in - w, mark.y + out, w, h},    {mark.x + in - w, mark.y - out - h, w, h},
        {mark.x - w / 2, mark.y - out - h, w, h}, {mark.x - w / 2, mark.y + out, w, h}};
    Rect chosen;
    for (const Rect& box : tries) {
      bool free = box.x >= area.x && box.y >= area.y && box.x + box.w <= area.x + area.w &&
                  box.y + box.h <= area.y + area.h;
      for (const MarkPlace& other : marks)
        free = free && !overlap(box, {other.x - other.radius, other.y - other.radius,
                                      2 * other.radius, 2 * other.radius});
      for (const Rect& taken : blocked) free = free && !overlap(box, taken);
      for (const Rect& label : placed) free = free && (label.w <= 0 || !overlap(box, label));
      if (free) {
        chosen = box;
        break;
      }
    }
    placed.push_back(chosen);
  }
  return placed;
}

}  // namespace polykv
