// The whole way: a person drags a bar in the real window and the exact score follows.
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

#include <catch2/catch.hpp>

#include "core/model/model.h"
#include "core/probe/needle.h"
#include "tests/support/goldens.h"
#include "tests/ui/real_window.h"

using namespace polykv;

namespace {

struct Picture {
  explicit Picture(const std::string& path) {
    pixels = stbi_load(path.c_str(), &width, &height, nullptr, 3);
    if (!pixels) throw std::runtime_error("no picture in " + path);
  }
  ~Picture() { stbi_image_free(pixels); }
  unsigned char* pixels = nullptr;
  int width = 0, height = 0;
};

// Share of the pixels of a place (x, y, w, h) that differ between two pictures.
double changed_share(const Picture& a, const Picture& b, const Json& place) {
  const int x0 = place[0].get<double>(), y0 = place[1].get<double>();
  const int w = place[2].get<double>(), h = place[3].get<double>();
  int changed = 0;
  for (int y = y0; y < y0 + h; ++y) {
    for (int x = x0; x < x0 + w; ++x) {
      const std::ptrdiff_t at = (std::ptrdiff_t{y} * a.width + x) * 3;
      changed += std::memcmp(a.pixels + at, b.pixels + at, 3) != 0;
    }
  }
  return double(changed) / (w * h);
}

// Few and short cases, so that the test's time goes into the window and not into the prefill.
std::string case_file(const ScratchFolder& folder) {
  const auto model = Model::open(std::string(POLYKV_SOURCE) + "/assets/tiny-needle");
  NeedleSettings like;
  like.context_tokens = 300;
  const std::string path = folder.file("cases.jsonl");
  write_cases(path, make_needle_cases(4, like, model->tokenizer()), model->tokenizer());
  return path;
}

int budget_of(const Json& shown, int layer) {
  return shown["plan"]["prefill"]["layers"][layer]["budget"].get<int>();
}

}  // namespace

TEST_CASE("dragging a bar in the real window changes the budget, the score and the picture") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json before = window.wait_exact();
  REQUIRE(before["size"] == Json({1280, 720}));
  REQUIRE(budget_of(before, 1) == 48);
  window.take_picture();
  const Picture first(window.picture_path());
  CHECK(first.width == 1280);
  CHECK(first.height == 720);

  const Json handle = before["places"]["handle.1"], bar = before["places"]["bar.1"];
  const double x = handle[0].get<double>() + handle[2].get<double>() / 2;
  const double y = handle[1].get<double>() + handle[3].get<double>() / 2;
  window.move_to(x, y);
  window.input("mousedown 1");
  for (int step = 1; step <= 6; ++step) window.move_to(x, y - 3 * step);
  const Json during = window.wait_for("a preview while the button is down", [](const Json& j) {
    return j["pill"] == "preview" && !j["proxy"].is_null();
  });
  CHECK(budget_of(during, 1) > 48);
  CHECK(during["proxy"]["kept_mass"] != before["proxy"]["kept_mass"]);
  window.input("mouseup 1");
  const Json after = window.wait_exact(before["scored_edit"]);

  CHECK(budget_of(after, 1) > 48);
  CHECK(after["plan"]["prefill"]["total"] == before["plan"]["prefill"]["total"]);
  CHECK(after["score"]["answer_nll"]["value"] != before["score"]["answer_nll"]["value"]);
  CHECK(after["score"]["kv_bytes"] == before["score"]["kv_bytes"]);
  window.move_to(640, 5);  // no hover in the picture
  window.take_picture();
  const Picture second(window.picture_path());
  CHECK(changed_share(first, second, bar) > 0.05);
  CHECK(changed_share(first, second, before["places"]["value.1"]) > 0.005);
  CHECK(changed_share(first, second, before["places"]["score.answer_nll"]) > 0.002);

  // One drag is one step of undo, and the old score comes back.
  window.input("key ctrl+z");
  const Json undone = window.wait_exact(after["scored_edit"]);
  CHECK(budget_of(undone, 1) == 48);
  CHECK(undone["score"]["answer_nll"]["value"].get<double>() ==
        Approx(before["score"]["answer_nll"]["value"].get<double>()).margin(1e-6));
}

TEST_CASE("query visibility is one click away and changes the exact score") {
  const ScratchFolder folder;
  RealWindow window("1600x1000", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json hidden = window.wait_exact();
  CHECK(hidden["plan"]["query"] == "agnostic");
  window.click(hidden["places"]["query.aware"]);
  const Json visible = window.wait_exact(hidden["scored_edit"]);
  CHECK(visible["plan"]["query"] == "aware");
  CHECK(visible["score"]["answer_nll"]["value"] != hidden["score"]["answer_nll"]["value"]);
}

TEST_CASE("a model that cannot be opened is said in the log line and the window goes on") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--model", "/nonexistent"});
  window.wait_for("the error in the log", [](const Json& j) {
    return j["log"].dump().find("/nonexistent") != std::string::npos;
  });
}

TEST_CASE(
    "a folder typed in the File menu shows its card, opens, and a broken one changes nothing") {
  const ScratchFolder folder;
  const std::string model = folder.file("llama_gqa"), broken = folder.file("broken");
  std::filesystem::copy(golden("models/llama_gqa"), model);
  std::filesystem::copy(golden("models/llama_linear"), broken);
  std::filesystem::resize_file(broken + "/model.safetensors", 1000);
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json first = window.wait_exact();
  REQUIRE(first["model"] == "tiny-needle");

  const auto type_path = [&](const std::string& path) {
    window.input("key ctrl+o");
    window.wait_for("the path field",
                    [](const Json& j) { return j["places"].contains("path_field"); });
    window.input("type --delay 4 " + path);
    window.input("key Return");
  };
  type_path(model);
  const Json asked = window.wait_for("the card", [](const Json& j) {
    return j["places"].contains("card.open") && !j["places"].contains("path_field");
  });
  CHECK(asked["card"]["folder"] == model);
  CHECK(asked["card"]["lines"]["Architecture"] == "LlamaForCausalLM");
  CHECK(asked["model"] == "tiny-needle");
  CHECK(asked["score"] == first["score"]);
  window.click(asked["places"]["length.512"]);
  window.click(asked["places"]["cases.1"]);
  window.click(asked["places"]["card.open"]);
  const Json opened = window.wait_exact(first["scored_edit"]);
  CHECK(opened["model"] == "llama_gqa");
  CHECK(opened["plan"]["prefill"]["layers"].size() == 4);
  CHECK(opened["cases"].get<std::string>().starts_with("1 needle case, 438 tokens"));
  CHECK(opened["recent"] == Json({model}));

  type_path(broken);
  const Json refused = window.wait_for("the error in the field",
                                       [](const Json& j) { return j["path_error"] != ""; });
  CHECK(refused["path_error"].get<std::string>().find("model.safetensors") != std::string::npos);
  CHECK(refused["card"].is_null());
  CHECK(refused["model"] == "llama_gqa");
  CHECK(refused["score"] == opened["score"]);
  window.input("key Escape");
  window.wait_for("the field to close",
                  [](const Json& j) { return !j["places"].contains("path_field"); });
  window.click(opened["places"]["query.aware"]);
  CHECK(window.wait_exact(opened["scored_edit"])["model"] == "llama_gqa");
}

TEST_CASE("a head clicked in the heads tab is the one the heatmap shows") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json first = window.wait_exact();
  window.move_to(640, 5);  // no hover in the picture
  window.take_picture();
  const Picture before(window.picture_path());
  window.click(first["places"]["tab.Heads"]);
  const Json heads = window.wait_for(
      "the matrix of heads", [](const Json& j) { return j["places"].contains("heads.matrix"); });
  // The last head of the first row.
  const Json matrix = heads["places"]["heads.matrix"];
  window.move_to(matrix[0].get<double>() + matrix[2].get<double>() - 6,
                 matrix[1].get<double>() + 6);
  window.input("click 1");
  const Json chosen = window.wait_for("the head to be selected", [](const Json& j) {
    return j["selected"]["layer"] == 0 && j["selected"]["head"] == 7;
  });
  REQUIRE(first["selected"]["head"] != 7);
  CHECK(chosen["plan"] == first["plan"]);
  CHECK(chosen["scored_edit"] == first["scored_edit"]);
  window.wait_for("its attention", [&](const Json& j) { return j["serial"] != heads["serial"]; });
  window.move_to(640, 5);
  window.take_picture();
  const Picture after(window.picture_path());
  CHECK(changed_share(before, after, first["places"]["panel.heatmap"]) > 0.005);
}

TEST_CASE(
    "a parameter's slider in the popover changes the plan, the score, and undo takes it back") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json first = window.wait_exact();
  window.click(first["places"]["params.chip"]);
  const Json open = window.wait_for(
      "the popover", [](const Json& j) { return j["places"].contains("param.window"); });
  window.let_popup_open();
  const Json slider = open["places"]["param.window"];
  const double y = slider[1].get<double>() + slider[3].get<double>() / 2;
  const double x = slider[0].get<double>() + slider[2].get<double>() * 0.3;
  window.move_to(x, y);
  window.input("mousedown 1");
  for (int step = 1; step <= 5; ++step) window.move_to(x + 6 * step, y);
  window.wait_for("a preview while the button is down",
                  [](const Json& j) { return j["pill"] == "preview"; });
  window.input("mouseup 1");
  const Json after = window.wait_exact(first["scored_edit"]);
  const Json layers = after["plan"]["prefill"]["layers"];
  REQUIRE(layers[1]["params"].contains("window"));
  CHECK(layers[1]["params"]["window"] != 8);
  CHECK_FALSE(layers[0].contains("params"));
  CHECK(after["score"]["answer_nll"]["value"] != first["score"]["answer_nll"]["value"]);

  window.input("key Escape");
  window.wait_for("the popover to close",
                  [](const Json& j) { return !j["places"].contains("param.window"); });
  window.input("key ctrl+z");
  const Json undone = window.wait_exact(after["scored_edit"]);
  CHECK(undone["plan"] == first["plan"]);
}

TEST_CASE(
    "a decode bar dragged in the real window changes the cap, the score and no prefill budget") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "snapkv:48"});
  const Json first = window.wait_exact();
  window.click(first["places"]["phase.decode"]);
  window.wait_for("the decode bars", [](const Json& j) { return j["phase"] == "decode"; });
  window.click(first["places"]["policy.1"]);
  const Json menu = window.wait_for("the menu of policies", [](const Json& j) {
    return j["places"].contains("band policy.tova");
  });
  window.let_popup_open();
  window.click(menu["places"]["band policy.tova"]);
  const Json capped = window.wait_exact(first["scored_edit"]);
  const auto cap_of = [](const Json& j) { return j["plan"]["decode"]["layers"][1]["budget"]; };
  REQUIRE(capped["plan"]["decode"]["layers"][1]["policy"] == "tova");
  REQUIRE(cap_of(capped) == 48);
  window.click(capped["places"]["keep_total"]);  // no other layer has a cap that could give

  const Json handle = capped["places"]["handle.1"];
  const double x = handle[0].get<double>() + handle[2].get<double>() / 2;
  const double y = handle[1].get<double>() + handle[3].get<double>() / 2;
  window.move_to(x, y);
  window.input("mousedown 1");
  for (int step = 1; step <= 6; ++step) window.move_to(x, y + 3 * step);
  window.wait_for("a preview while the button is down",
                  [](const Json& j) { return j["pill"] == "preview"; });
  window.input("mouseup 1");
  const Json after = window.wait_exact(capped["scored_edit"]);
  CHECK(cap_of(after).get<int>() < 48);
  CHECK(after["plan"]["prefill"] == first["plan"]["prefill"]);
  CHECK(after["score"]["answer_nll"]["value"] != capped["score"]["answer_nll"]["value"]);
  CHECK(after["score"]["kv_bytes"] == first["score"]["kv_bytes"]);
}

TEST_CASE(
    "the tune panel calibrates the embedded model, applies a suggestion, searches and undoes") {
  const ScratchFolder folder;
  RealWindow window("1280x720", {"--cases", case_file(folder), "--plan", "streaming_llm:48"});
  const Json before = window.wait_exact();
  window.click(before["places"]["tab.Tune"]);
  const Json asked = window.wait_for(
      "the panel", [](const Json& j) { return j["places"].contains("tune.Calibrate"); });
  CHECK(asked["tune"]["calibration"]["missing"].get<std::string>().find("4 cases") !=
        std::string::npos);
  window.click(asked["places"]["tune.Calibrate"]);
  window.wait_for("progress with Cancel", [](const Json& j) {
    return j["places"].contains("tune.Cancel") &&
           j["work"].get<std::string>().find("calibrating case") == 0;
  });
  const Json measured = window.wait_for("the whole calibration", [](const Json& j) {
    return j["work"] == "" && j["tune"]["calibration"].contains("best");
  });
  CHECK(measured["tune"]["calibration"]["stamp"].get<std::string>().find("n = 4, 48 tokens") == 0);
  CHECK(measured["tune"]["calibration"]["best"].size() == 6);

  window.click(measured["places"]["tune.Suggestions"]);
  const Json offered = window.wait_for(
      "a suggestion", [](const Json& j) { return j["places"].contains("tune.apply.1"); });
  const Json suggestion = offered["tune"]["suggestions"]["layers"][1];
  CHECK(suggestion["policy"] == measured["tune"]["calibration"]["best"][1]["policy"]);
  window.click(offered["places"]["tune.apply.1"]);
  const Json applied = window.wait_exact(before["scored_edit"]);
  CHECK(applied["plan"]["prefill"]["layers"][1]["policy"] == suggestion["policy"]);
  CHECK(applied["plan"]["prefill"]["layers"][0]["policy"] == "streaming_llm");
  CHECK(applied["plan"]["prefill"]["total"] == before["plan"]["prefill"]["total"]);
  CHECK(applied["score"]["answer_nll"]["value"] != before["score"]["answer_nll"]["value"]);
  window.input("key ctrl+z");
  const Json undone = window.wait_exact(applied["scored_edit"]);
  CHECK(undone["plan"]["prefill"] == before["plan"]["prefill"]);

  // A search that is cancelled keeps its best plan, which can be applied.
  window.click(undone["places"]["tune.Search"]);
  const Json ready = window.wait_for(
      "the search", [](const Json& j) { return j["places"].contains("tune.Start search"); });
  window.click(ready["places"]["tune.limit"]);
  const Json limits = window.wait_for(
      "limits", [](const Json& j) { return j["places"].contains("tune limit.5,000 plans"); });
  window.click(limits["places"]["tune limit.5,000 plans"]);
  window.click(ready["places"]["tune.Start search"]);
  const Json found = window.wait_for("an accepted step", [](const Json& j) {
    return j["tune"]["search"]["steps"].size() > 1 && j["places"].contains("tune.Cancel");
  });
  CHECK(found["tune"]["search"]["controls"].size() == 4);  // start, full, random, sink+recent
  window.click(found["places"]["tune.Cancel"]);
  const Json stopped = window.wait_for("the end", [](const Json& j) {
    return j["work"] == "" && j["tune"]["search"]["can_apply"] == true;
  });
  const Json steps = stopped["tune"]["search"]["steps"];
  CHECK(steps.back()["value"].get<double>() < steps.front()["value"].get<double>());
  CHECK(stopped["tune"]["search"]["report"].empty());
  window.click(stopped["places"]["tune.Apply best"]);
  const Json tuned = window.wait_exact(undone["scored_edit"]);
  CHECK(tuned["plan"]["prefill"] != before["plan"]["prefill"]);
  CHECK(tuned["plan"]["prefill"]["total"] == before["plan"]["prefill"]["total"]);
}
