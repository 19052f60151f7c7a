#include "views/opening_model.h"

#include <algorithm>

#include "core/model/dtype.h"
#include "core/text.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr int kCounts[] = {1, 4, 16};

std::string last_part(const std::string& folder) {
  const std::size_t end = folder.find_last_not_of('/');
  if (end == std::string::npos) return folder;
  const std::size_t slash = folder.rfind('/', end);
  return folder.substr(slash + 1, end - slash);
}

std::string parent_of(const std::string& folder) {
  const std::size_t slash = folder.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : folder.substr(0, slash);
}

int index_of(const std::vector<int>& values, int value) {
  const auto found = std::find(values.begin(), values.end(), value);
  return found == values.end() ? -1 : static_cast<int>(found - values.begin());
}

std::string cases_of(const MemoryPlan& plan) {
  return format_count(plan.cases) + (plan.cases == 1 ? " case of " : " cases of ") +
         format_count(plan.tokens) + " tokens";
}

void fill_lines(OpeningCardModel& card, const FolderFacts& facts, const MemoryPlan& plan,
                const Preflight& flight) {
  const ModelShape& s = facts.config.shape;
  const auto line = [&](const char* label, const std::string& note, const std::string& value,
                        bool rule = false, bool strong = false) {
    card.lines.push_back({label, note, value, rule, strong});
  };
  line("Architecture",
       format_count(s.layers) + (s.layers == 1 ? " layer, " : " layers, ") +
           format_count(s.query_heads) + " heads, " + format_count(s.kv_heads) + " kv of " +
           format_count(s.head_dim),
       facts.config.architecture);
  line("Parameters", "stored as " + facts.config.stored_dtype, format_count(facts.parameters));
  line("On disk", "", bytes_text(facts.file_bytes));
  line("Weights", std::string("kept in ") + dtype_name(plan.dtype), bytes_text(flight.need.weights),
       true);
  line("Full cache", cases_of(plan), bytes_text(flight.need.caches));
  line("Capture", "inputs, keys and values kept", bytes_text(flight.need.capture));
  line("Working memory", "the worst moment", bytes_text(flight.need.working));
  line("Needed", "", bytes_text(flight.need.total), true, true);
  line("Free", "", plan.free_bytes > 0 ? bytes_text(plan.free_bytes) : "unknown");
}

void fill_bar(OpeningCardModel& card, std::int64_t needed, std::int64_t free) {
  if (free <= 0) return;
  const double longest = static_cast<double>(std::max(needed, free));
  card.needed_share = static_cast<double>(needed) / longest;
  card.free_share = static_cast<double>(free) / longest;
  card.needed = bytes_text(needed) + " needed";
  card.free = bytes_text(free) + " free";
}

bool goes_on(const std::string& folder, const std::string& typed) {
  return folder.size() > typed.size() && folder.starts_with(typed);
}

}  // namespace

bool card_is_here(const Snapshot& now, const OpeningUi& ui) {
  return now.card && now.card->request == ui.request;
}

OpeningCardModel condense_opening(const Snapshot& now, const OpeningUi& ui) {
  OpeningCardModel card;
  card.name = last_part(ui.folder);
  card.folder = ui.folder;
  if (!card_is_here(now, ui)) {
    card.headline = "Reading the folder\u2026";
    return card;
  }
  const FolderFacts& facts = now.card->facts;
  card.name = facts.name, card.folder = facts.folder;
  if (!facts.supported()) {
    card.verdict = Verdict::unsupported;
    card.headline = "Cannot be opened";
    card.reason = facts.unsupported;
    return card;
  }
  MemoryPlan plan = now.card->plan;
  if (ui.tokens > 0) plan.tokens = ui.tokens;
  if (ui.cases > 0) plan.cases = ui.cases;
  const Preflight flight = preflight(facts.config, plan);
  card.verdict = flight.fits ? Verdict::fits : Verdict::refused;
  card.headline = flight.fits ? "Fits in memory" : "Does not fit in memory";
  card.reason = flight.reason;
  card.window = window_text(facts.config, flight);
  card.lengths = card_lengths(facts.config);
  card.counts.assign(std::begin(kCounts), std::end(kCounts));
  card.length = index_of(card.lengths, plan.tokens);
  card.count = index_of(card.counts, plan.cases);
  fill_lines(card, facts, plan, flight);
  fill_bar(card, flight.need.total, plan.free_bytes);
  card.open.folder = facts.folder;
  card.open.make.count = plan.cases;
  card.open.make.like.context_tokens = plan.tokens - kQuestionRoom;
  return card;
}

std::vector<PathOffer> path_offers(const Snapshot& now, const std::string& typed) {
  std::vector<PathOffer> offers;
  const bool opened = now.model && typed == now.model->folder;
  if (!typed.empty() && !opened && now.folders) {
    for (const std::string& folder : now.folders->folders) {
      if (offers.size() == kMostOffers) break;
      if (goes_on(folder, typed) || now.folders->typed == typed)
        offers.push_back({last_part(folder) + "/", "", folder, true, false});
    }
  }
  if (!offers.empty() || !now.recent) return offers;
  for (const RecentFolder& recent : *now.recent)
    offers.push_back({last_part(recent.folder),
                      recent.missing ? "not there" : "in " + parent_of(recent.folder),
                      recent.folder, !recent.missing, true});
  return offers;
}

std::string completed_path(const Snapshot& now, const std::string& typed) {
  if (!now.folders) return typed;
  std::string shared;
  bool first = true;
  for (const std::string& folder : now.folders->folders) {
    const bool asked = now.folders->typed == typed;  // "~/mo" goes on as "/home/me/models/"
    if (!asked && !goes_on(folder, typed)) continue;
    if (first) shared = folder;
    first = false;
    std::size_t same = 0;
    while (same < shared.size() && same < folder.size() && shared[same] == folder[same]) ++same;
    shared.resize(same);
  }
  return shared.size() > typed.size() || typed.starts_with("~") ? (first ? typed : shared) : typed;
}

}  // namespace polykv
