#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "tests/views/panel_frame.h"
#include "views/prompt_model.h"

using namespace polykv;

namespace {

const Rect kPanel{0, 300, 264, 384};

float by_letters(const std::string& text, bool) { return 7.0f * static_cast<float>(text.size()); }

// One case of 12 tokens, needle 4 to 6; layer 0 keeps everything, layer 1 what `heads` say.
Snapshot small_snapshot(std::vector<std::vector<int>> heads, int cut) {
  Snapshot now;
  now.model = std::make_shared<ModelInfo>();
  auto cases = std::make_shared<CaseSetInfo>();
  CaseText text;
  text.tokens = {"<s>", " a", " b", "c.", " The", " 7", "3.", "\n", "New", " line", " end", "."};
  text.context = 12;
  text.source.needles = {{4, 6}, {9, 10}};
  text.question_text = "\nQuestion: Which code?\nAnswer: It is";
  text.gold = " 73";
  cases->cases = {text, text};
  now.cases = cases;
  now.scored = true;
  auto kept = std::make_shared<std::vector<KeptLayer>>(2);
  (*kept)[0].cut_tokens = 12;
  (*kept)[1].positions = std::move(heads);
  (*kept)[1].cut_tokens = cut;
  now.kept = kept;
  now.answer = " 71.\n";
  now.full_answer = " 73";
  now.results = std::make_shared<std::vector<CaseResult>>(
      std::vector<CaseResult>{{false, true, 1, 0, {}, {}}, {true, true, 1, 0, {}, {}}});
  return now;
}

Ui small_ui(Pill pill) {
  Ui ui;
  ui.selected.layer = 1;
  ui.pill = pill;
  return ui;
}

}  // namespace

TEST_CASE("a token counts as kept when any kv head keeps it and always at or after the cut") {
  const Snapshot now = small_snapshot({{0, 4}, {0, 5}}, 10);
  const KeptTokens kept = kept_tokens(now, small_ui(Pill::exact), 1);
  REQUIRE(kept.known);
  CHECK_FALSE(kept.preview);
  const std::set<int> expected{0, 4, 5, 10, 11};
  for (int i = 0; i < 12; ++i) {
    INFO("position " << i);
    CHECK(kept.kept(i) == (expected.count(i) == 1));
  }
  CHECK(kept.budget() == 2);
}

TEST_CASE("a layer without positions keeps everything") {
  const KeptTokens kept = kept_tokens(small_snapshot({}, 12), small_ui(Pill::exact), 0);
  REQUIRE(kept.known);
  CHECK(kept.everything);
  for (int i = 0; i < 12; ++i) CHECK(kept.kept(i));
}

TEST_CASE("the preview cut is drawn only while the plan has no exact score") {
  const Snapshot now = small_snapshot({{0, 1}}, 12);
  Ui ui = small_ui(Pill::exact);
  ui.proxy.available = true;
  ui.proxy.kept = {{}, {{2, 3}}};
  for (Pill pill : {Pill::preview, Pill::queued, Pill::running}) {
    ui.pill = pill;
    const KeptTokens kept = kept_tokens(now, ui, 1);
    CHECK(kept.preview);
    CHECK(kept.kept(2));
    CHECK_FALSE(kept.kept(0));
  }
  for (Pill pill : {Pill::exact, Pill::stale}) {
    ui.pill = pill;
    CHECK(kept_tokens(now, ui, 1).kept(0));
    CHECK_FALSE(kept_tokens(now, ui, 1).kept(2));
  }
  ui.pill = Pill::running;
  ui.proxy.available = false;
  CHECK(kept_tokens(now, ui, 1).kept(0));
}

TEST_CASE("kept tokens of another case than the chosen one are not shown") {
  Ui ui = small_ui(Pill::exact);
  ui.selected.case_index = 1;  // the snapshot looked at case 0
  const PromptModel model = condense_prompt(small_snapshot({{0, 4}}, 12), ui);
  for (const PromptToken& token : model.tokens) CHECK(token.state == WordState::unknown);
  CHECK(model.answer.empty());
  CHECK(model.span.empty());
}

TEST_CASE("the prompt model names needle, fate, answers and the span kept") {
  const PromptModel model =
      condense_prompt(small_snapshot({{0, 4}, {0, 6}}, 12), small_ui(Pill::exact));
  REQUIRE(model.tokens.size() == 12);
  for (int i = 0; i < 12; ++i) {
    INFO("position " << i);
    CHECK(model.tokens[i].needle == (i >= 4 && i <= 6));  // the second needle is not asked for
    const bool kept = i == 0 || i == 4 || i == 6;
    CHECK(model.tokens[i].state == (kept ? WordState::kept : WordState::evicted));
  }
  CHECK(model.tokens[1].space);
  CHECK_FALSE(model.tokens[3].space);
  CHECK(model.tokens[4].text == "The");
  CHECK(model.span == "2 of 3 tokens in L1");
  CHECK_FALSE(model.span_whole);
  CHECK(model.question == "Which code?");
  CHECK(model.answer == "71.");
  CHECK(model.answer_mark == Mark::wrong);
  CHECK(model.full_mark == Mark::right);
  CHECK(model.pending.empty());
}

TEST_CASE("the answer is pending while the plan in hand is rescored") {
  const Snapshot now = small_snapshot({{0}}, 12);
  for (Pill pill : {Pill::preview, Pill::queued, Pill::running})
    CHECK(condense_prompt(now, small_ui(pill)).pending == "being rescored");
  CHECK(condense_prompt(now, small_ui(Pill::stale)).pending == "stale");
}

TEST_CASE("the flow shows every token once, in order, inside the width, and splits no word") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<PromptToken> tokens;
    const int count = 1 + static_cast<int>(random() % 120);
    for (int i = 0; i < count; ++i) {
      PromptToken token;
      token.position = i;
      token.space = random() % 3 != 0;
      token.newline = random() % 20 == 0;
      token.text = std::string(random() % 7, 'x');
      if (token.text.empty()) token.space = true;  // a token is never nothing at all
      tokens.push_back(token);
    }
    const float width = 7.0f * static_cast<float>(8 + random() % 40);
    const PromptFlow flow = flow_prompt(tokens, width, by_letters);
    INFO("round " << round << ", " << count << " tokens, width " << width);
    REQUIRE(static_cast<int>(flow.pieces.size()) == count);
    float word = 0;  // of the word the piece belongs to, counted here
    for (int i = 0; i < count; ++i) {
      const PromptPiece& piece = flow.pieces[i];
      REQUIRE(piece.token == i);
      REQUIRE(piece.x >= 0);
      REQUIRE(piece.x + piece.width <= width + 0.01f);
      if (i == 0) continue;
      const PromptPiece& before = flow.pieces[i - 1];
      REQUIRE(piece.line >= before.line);
      REQUIRE(piece.line < flow.lines);
      if (piece.line == before.line) REQUIRE(piece.x >= before.x + before.width - 0.01f);
      const bool same_word = !tokens[i].space && !tokens[i].newline;
      if (!same_word) {
        word = 0;
        for (int k = i; k < count && (k == i || !(tokens[k].space || tokens[k].newline)); ++k)
          word += by_letters(tokens[k].text, false);
      }
      if (same_word && i > 1 && word > 0 && word <= width) REQUIRE(piece.line == before.line);
      if (tokens[i].newline) REQUIRE(piece.x == 0);
    }
  }
}

TEST_CASE("the prompt opens with the whole needle in sight") {
  for (int first = 0; first + 9 < 400; first += 7) {
    std::vector<PromptToken> tokens;
    for (int i = 0; i < 400; ++i)
      tokens.push_back({i, "word", true, false, i >= first && i < first + 9, WordState::kept});
    const PromptFlow flow = flow_prompt(tokens, 240, by_letters);
    for (int visible : {3, 5, 9, 200}) {
      const int top = line_showing_needle(flow, visible);
      INFO("needle at " << first << ", " << visible << " lines in sight");
      CHECK(top >= 0);
      CHECK(top <= flow.needle_first);
      CHECK(top + visible > flow.needle_last);
    }
  }
}

TEST_CASE("the prompt panel draws empty, loading, ready, busy and full at every size") {
  PanelFrame frame;
  for (Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full})
    for (Rect area : {kPanel, Rect{0, 0, 232, 210}, Rect{0, 0, 120, 60}, Rect{0, 0, 900, 900}}) {
      const Plan plan = fake_plan();
      const Snapshot now = fake_snapshot(kind, plan);
      Ui ui = fake_ui(plan);
      CHECK(frame.draw(draw_prompt, now, ui, area) > 0);
      CHECK(ui.places.count("panel.prompt") == 1);
    }
}

TEST_CASE("a click on a word pins it as the remembered token and a second click unpins it") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.pill = Pill::exact;
  frame.draw(draw_prompt, now, ui, kPanel);
  const int position = now.cases->cases[0].source.needles[0].first + 2;
  const std::string place = "prompt.word." + std::to_string(position);
  REQUIRE(ui.places.count(place) == 1);
  frame.point_at(ui.places[place]);
  frame.click(draw_prompt, now, ui, kPanel);
  CHECK(ui.selected.hover_remembered == position);
  CHECK(ui.selected.remembered == position);
  frame.click(draw_prompt, now, ui, kPanel);
  CHECK(ui.selected.remembered == -1);
}

TEST_CASE("the wheel moves the prompt by whole lines and stops at its ends") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  frame.draw(draw_prompt, now, ui, kPanel);
  CHECK(ui.prompt_scroll == -1);
  frame.point_at(kPanel.x + 100, kPanel.y + 100);
  frame.draw(draw_prompt, now, ui, kPanel);
  ImGui::GetIO().MouseWheel = 1000;
  frame.draw(draw_prompt, now, ui, kPanel);
  CHECK(ui.prompt_scroll == 0);
  ImGui::GetIO().MouseWheel = -1;
  frame.draw(draw_prompt, now, ui, kPanel);
  CHECK(ui.prompt_scroll == 3);
}
