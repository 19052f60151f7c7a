#include "app/desk.h"

#include <catch2/catch.hpp>

#include "core/files.h"
#include "tests/support/fake_snapshot.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

std::shared_ptr<const ModelInfo> model_of(int layers, int kv_heads = 2) {
  auto model = std::make_shared<ModelInfo>();
  model->name = "other";
  model->fingerprint = "sha256:other";
  model->shape = {layers, 8, kv_heads, 32, 128, 2048, 2048};
  return model;
}

std::shared_ptr<const OpeningCard> card_of(std::uint64_t request, const std::string& unsupported,
                                           std::int64_t free_bytes = 0) {
  auto card = std::make_shared<OpeningCard>();
  card->request = request;
  card->facts.unsupported = unsupported;
  card->facts.config.shape = model_of(4)->shape;
  card->facts.config.windows.assign(4, 0);
  card->plan.free_bytes = free_bytes;
  return card;
}

struct Room {
  Room() { desk.meet(now); }
  Ui ui;
  std::vector<Command> out;
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  Desk desk = Desk(WindowOptions{}, ui, out);
};

}  // namespace

TEST_CASE("the window starts with the card of its model, which opens when it fits") {
  Ui ui;
  std::vector<Command> out;
  WindowOptions options;
  options.model = "/some/model";
  options.cases = "cases.jsonl";
  const Desk desk(options, ui, out);
  REQUIRE(out.size() == 1);
  const auto* first = std::get_if<InspectModel>(&out[0]);
  REQUIRE(first);
  CHECK(first->folder == "/some/model");
  CHECK(first->cases == "cases.jsonl");
  CHECK(first->open_when_fits);
}

TEST_CASE(
    "a model with another number of layers gets a plan of its own that cannot be undone into the "
    "old one") {
  Room room;
  Plan edited = room.ui.history.current();
  edited.of(Phase::prefill)[0].budget = 9;
  room.ui.history.apply(edited);
  room.ui.band.locked.assign(6, true);
  room.ui.selected.layer = 5;
  REQUIRE(room.ui.history.can_undo());
  room.now.model = model_of(4);
  const std::uint64_t edit = room.ui.edit;
  room.desk.meet(room.now);
  CHECK(room.ui.history.current().layers() == 4);
  CHECK_FALSE(room.ui.history.can_undo());
  CHECK_FALSE(room.ui.history.can_redo());
  CHECK(room.ui.band.locked.empty());
  CHECK(room.ui.selected.layer < 4);
  CHECK(room.ui.edit == edit + 1);
  const auto* score = std::get_if<ScorePlan>(&room.out.back());
  REQUIRE(score);
  CHECK(score->plan.layers() == 4);
}

TEST_CASE("a model of the same shape keeps plan and undo") {
  Room room;
  Plan edited = room.ui.history.current();
  edited.of(Phase::prefill)[0].budget = 9;
  room.ui.history.apply(edited);
  room.now.model = model_of(6);
  room.desk.meet(room.now);
  CHECK(room.ui.history.current() == edited);
  CHECK(room.ui.history.can_undo());
}

TEST_CASE("a dropped folder asks for its card, dropped cases and plans do not") {
  Room room;
  room.out.clear();
  room.desk.dropped(room.now, "/data/model");
  REQUIRE(room.out.size() == 1);
  REQUIRE(std::get_if<InspectModel>(&room.out[0]));
  CHECK_FALSE(std::get<InspectModel>(room.out[0]).open_when_fits);
  CHECK(room.ui.opening.shown);
  room.out.clear();
  room.desk.dropped(room.now, "/data/cases.jsonl");
  REQUIRE(room.out.size() == 1);
  CHECK(std::get_if<OpenCases>(&room.out[0]));
}

TEST_CASE("a plan is exported for kvpress, or the message says why it cannot be") {
  const ScratchFolder folder;
  Room room;
  auto model = std::make_shared<ModelInfo>(*room.now.model);
  model->folder = std::string(POLYKV_SOURCE) + "/assets/tiny-needle";
  room.now.model = model;
  Plan plan = uniform_plan("snapkv", 48, model->shape.layers, QueryVisibility::agnostic);
  room.ui.history.apply(plan);
  const std::string path = folder.file("plan.py");
  room.ui.files = {{FileKind::export_kvpress, path}};
  room.desk.do_files(room.now);
  CHECK_FALSE(room.ui.message_is_error);
  CHECK_THAT(read_text_file(path), Catch::Contains("kvpress") && Catch::Contains("48"));
  plan.of(Phase::prefill)[2].policy = "random";
  room.ui.history.apply(plan);
  const std::string before = read_text_file(path);
  room.ui.files = {{FileKind::export_kvpress, path}};
  room.desk.do_files(room.now);
  CHECK(room.ui.message_is_error);
  CHECK_THAT(room.ui.message, Catch::Contains("'random' (layer 2)"));
  CHECK(read_text_file(path) == before);
}

TEST_CASE("the card of the start comes up only when the model was not opened") {
  for (const bool fits : {true, false}) {
    Ui ui;
    std::vector<Command> out;
    Desk desk(WindowOptions{}, ui, out);
    Snapshot now;
    now.card = card_of(1, "", fits ? 0 : 1000);
    desk.meet(now);
    CHECK(ui.opening.shown == !fits);
  }
}

TEST_CASE("what the path field asked for comes back as a card, or as an error in the field") {
  Room room;
  ask_path(room.ui, room.out, FileKind::open_model, "/data");
  ask_model(room.ui, room.out, "/data", false);
  room.ui.opening.from_field = true;
  room.now.card = card_of(room.ui.opening.request - 1, "of an older request");
  room.desk.meet(room.now);
  CHECK(room.ui.asking_error.empty());
  room.now.card = card_of(room.ui.opening.request, "/data: is no model");
  room.desk.meet(room.now);
  CHECK(room.ui.asking_error == "/data: is no model");
  CHECK_FALSE(room.ui.opening.shown);
  ask_model(room.ui, room.out, "/other", false);
  room.ui.opening.from_field = true;
  room.now.card = card_of(room.ui.opening.request, "");
  room.desk.meet(room.now);
  CHECK(room.ui.opening.shown);
}
