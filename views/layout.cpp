#include "views/layout.h"

#include <algorithm>
#include <cmath>

namespace polykv {

WindowLayout lay_out(const Theme& t, float width, float height, int layer_count, bool tall) {
  WindowLayout at;
  at.small = width < t.px(1440) || height < t.px(860);
  const float menu = t.px(36), context = t.px(44), log = t.px(36);
  const float band = t.px(at.small ? 204 : 232);
  const float left = t.px(at.small ? 232 : 264), right = t.px(at.small ? 264 : 320);
  const float top = menu + context;
  const float body = std::max(0.0f, height - top - band - log);
  const float centre = std::max(0.0f, width - left - right);
  at.menu = {0, 0, width, menu};
  at.context = {0, menu, width, context};

  const float cases = std::round(body * (at.small ? 0.46f : 0.44f));
  at.cases = {0, top, left, cases};
  at.prompt = {0, top + cases, left, body - cases};

  // The keep map takes what its rows need; the heatmap keeps at least 250 px, then 55%.
  const float row = t.px(at.small ? 18 : 22);
  const float wanted =
      t.px(at.small ? 42 : 66) + row * static_cast<float>(std::max(1, layer_count));
  const float most = std::min(body * 0.45f, std::max(t.px(90), body - t.px(250)));
  const float tune = std::min(t.px(at.small ? 226 : 300), body * 0.6f);
  const float map = std::round(tall ? tune : std::min(wanted, most));
  at.heatmap = {left, top, centre, body - map};
  at.keep_map = {left, top + body - map, centre, map};

  const float scores = std::round(std::min(t.px(at.small ? 244 : 356), body * 0.62f));
  at.scores = {width - right, top, right, scores};
  at.pareto = {width - right, top + scores, right, body - scores};

  at.layers = {0, top + body, width, band};
  at.log = {0, height - log, width, log};
  return at;
}

}  // namespace polykv
