// The way to another model: path field, pre-flight card, recent folders, Cancel.
#include <catch2/catch.hpp>

#include "tests/views/window_stage.h"
#include "views/context_model.h"
#include "views/keys.h"
#include "views/opening_model.h"

using namespace polykv;

namespace {

Snapshot full() { return fake_snapshot(Fake::full, fake_plan()); }

std::shared_ptr<const OpeningCard> card_of(std::uint64_t request, std::int64_t free_bytes) {
  auto card = std::make_shared<OpeningCard>();
  card->request = request;
  card->facts.folder = "/data/llama", card->facts.name = "llama";
  ModelConfig& config = card->facts.config;
  config.architecture = "MistralForCausalLM";
  config.shape = {26, 32, 8, 64, 2048, 32000, 8192};
  config.intermediate = 5632;
  config.windows.assign(26, 512);
  config.stored_dtype = "bfloat16";
  card->facts.parameters = parameters_of(config);
  card->plan.free_bytes = free_bytes;
  return card;
}

// A window whose card was asked for, and answered.
struct Asked : Stage {
  explicit Asked(std::int64_t free_bytes, float w = 1600, float h = 1000)
      : Stage(full(), fake_ui(fake_plan()), w, h) {
    ask_model(ui, out, "/data/llama");
    now.card = card_of(ui.opening.request, free_bytes);
    draw(3);
  }
  std::vector<OpenModel> opened() const {
    std::vector<OpenModel> all;
    for (const Command& command : out)
      if (const auto* open = std::get_if<OpenModel>(&command)) all.push_back(*open);
    return all;
  }
};

constexpr std::int64_t kMuch = std::int64_t{1} << 40;

// Enough for 16 cases of 512 tokens, not for the 1,024 that the card starts with.
std::int64_t little() {
  MemoryPlan plan;
  plan.tokens = 512;
  return memory_need(card_of(1, 0)->facts.config, plan).total;
}

}  // namespace

TEST_CASE("a card that fits opens the folder with the length and the cases chosen on it") {
  Asked stage(kMuch);
  REQUIRE(stage.ui.places.count("card.open"));
  stage.click("length.2048");
  stage.click("cases.4");
  CHECK(stage.opened().empty());
  stage.click("card.open");
  REQUIRE(stage.opened().size() == 1);
  CHECK(stage.opened()[0].folder == "/data/llama");
  CHECK(stage.opened()[0].make.count == 4);
  CHECK(stage.opened()[0].make.like.context_tokens == 2048 - kQuestionRoom);
  CHECK_FALSE(stage.ui.opening.shown);
  stage.draw(2);
  CHECK_FALSE(stage.ui.places.count("card"));
}

TEST_CASE("a card that does not fit has the numbers and the way out but no Open button") {
  Asked stage(little());
  CHECK_FALSE(stage.ui.places.count("card.open"));
  const OpeningCardModel card = condense_opening(stage.now, stage.ui.opening);
  CHECK(card.verdict == Verdict::refused);
  CHECK(card.reason.find(" GiB are free. Try 512 tokens or fewer cases.") != std::string::npos);
  CHECK(card.window == "26 of 26 layers keep at most 512 tokens");
  CHECK(card.needed_share == 1);
  CHECK(card.free_share < 1);
  stage.key(kKeyEnter);
  CHECK(stage.opened().empty());
  // The smaller plan fits, and then there is a button.
  stage.click("cases.1");
  CHECK(stage.ui.places.count("card.open"));
  stage.key(kKeyEscape);
  CHECK_FALSE(stage.ui.opening.shown);
  CHECK(stage.opened().empty());
}

TEST_CASE("a folder that is no model says why on the card and offers another one") {
  Asked stage(kMuch);
  auto bad = std::make_shared<OpeningCard>(*stage.now.card);
  bad->facts.unsupported =
      "/data/llama/config.json: architectures: 'MambaForCausalLM' is not known";
  stage.now.card = bad;
  stage.draw(2);
  CHECK_FALSE(stage.ui.places.count("card.open"));
  stage.click("card.other");
  CHECK(stage.ui.asking.kind == FileKind::open_model);
  CHECK_FALSE(stage.ui.opening.shown);
}

TEST_CASE("the parts of the card add up to what is needed") {
  const auto card = card_of(1, kMuch);
  for (const int tokens : {512, 8192}) {
    MemoryPlan plan = card->plan;
    plan.tokens = tokens;
    const MemoryNeed need = preflight(card->facts.config, plan).need;
    CHECK(need.weights + need.caches + need.capture + need.working == need.total);
    CHECK(need.caches == 16 * need.cache);
  }
}

TEST_CASE("keys do not reach the plan while the card asks") {
  Asked stage(kMuch);
  const int before = stage.budget(1);
  stage.key(kKeyUp);
  CHECK(stage.budget(1) == before);
}

TEST_CASE("the card stays inside a small window") {
  const Asked stage(little(), 1280, 720);
  const Rect card = stage.ui.places.at("card");
  CHECK(card.y >= 0);
  CHECK(card.y + card.h <= 720);
}

TEST_CASE("the path field asks for a card, shows why a folder cannot be opened, and stays") {
  Stage stage(full(), fake_ui(fake_plan()));
  stage.key(kKeyO, true);
  REQUIRE(stage.ui.asking.kind == FileKind::open_model);
  stage.ui.asking.path = "/data/model";
  stage.draw(2);
  stage.type("x");  // replaces: everything is selected
  stage.key(kKeyEnter);
  CHECK(stage.ui.opening.from_field);
  CHECK(stage.ui.opening.folder == "x");
  CHECK(stage.ui.files.empty());
  REQUIRE(stage.ui.asking.kind == FileKind::open_model);
  const float before = stage.ui.places.at("path_field").h;
  stage.ui.asking_error = "x: expected a Hugging Face model folder";
  stage.draw(2);
  CHECK(stage.ui.places.at("path_field").h > before);
  stage.key(kKeyEscape);
  CHECK(stage.ui.asking.kind == FileKind::none);
  CHECK(stage.ui.asking_error.empty());
}

TEST_CASE("typing lists folders, Tab completes to what they share, a recent folder is one click") {
  Snapshot now = full();
  now.recent = std::make_shared<std::vector<RecentFolder>>(
      std::vector<RecentFolder>{{"/data/new", false}, {"/data/gone", true}});
  CHECK(path_offers(now, "").size() == 2);
  CHECK(path_offers(now, "")[1].hint == "not there");
  CHECK_FALSE(path_offers(now, "")[1].enabled);
  auto folders = std::make_shared<FolderList>();
  folders->typed = "/data/m";
  folders->folders = {"/data/mistral-7b/", "/data/mistral-8b/"};
  now.folders = folders;
  CHECK(path_offers(now, "/data/m").size() == 2);
  CHECK(path_offers(now, "/data/mistral-8").size() == 1);
  CHECK(path_offers(now, "/data/x")[0].recent);
  CHECK(completed_path(now, "/data/m") == "/data/mistral-");
  CHECK(completed_path(now, "/data/mistral-7") == "/data/mistral-7b/");
  CHECK(completed_path(now, "/data/x") == "/data/x");

  Stage stage(now, fake_ui(fake_plan()));
  stage.key(kKeyO, true);
  stage.click("offer.1");  // not there any more
  CHECK_FALSE(stage.ui.opening.from_field);
  stage.click("offer.0");
  CHECK(stage.ui.opening.from_field);
  CHECK(stage.ui.opening.folder == "/data/new");
}

TEST_CASE("the File menu opens a recent folder through its card") {
  Snapshot now = full();
  now.recent = std::make_shared<std::vector<RecentFolder>>(
      std::vector<RecentFolder>{{"/data/gone", true}, {"/data/new", false}});
  Stage stage(now, fake_ui(fake_plan()));
  stage.click("menu File");
  stage.click("menu File.gone");
  CHECK_FALSE(stage.ui.opening.shown);
  stage.click("menu File.new");
  CHECK(stage.ui.opening.shown);
  CHECK(stage.ui.opening.folder == "/data/new");
}

TEST_CASE("loading shows its bytes and a Cancel button while the old scores stand") {
  Snapshot now = full();
  now.work = {Work::loading, 0.35, "Opening llama: 1.2 of 3.4 GiB", 8};
  CHECK(work_words(now.work) == "Opening llama: 1.2 of 3.4 GiB, 8 s left");
  Stage stage(now, fake_ui(fake_plan()));
  CHECK(stage.ui.pill == Pill::stale);
  CHECK(stage.ui.places.count("score.answer_nll"));
  stage.click("cancel");
  REQUIRE_FALSE(stage.out.empty());
  CHECK(std::get_if<CancelWork>(&stage.out.back()));
}
