#pragma once
// The pre-flight card condensed for drawing, and what the path field offers. Pure.
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

struct CardLine {
  std::string label, note, value;  // note in the middle, value right-aligned with its unit
  bool rule_above = false, strong = false;
};

enum class Verdict { reading, fits, refused, unsupported };

struct OpeningCardModel {
  Verdict verdict = Verdict::reading;
  std::string name, folder;
  std::string headline;  // "Fits: 1.2 of 6.1 GiB"
  std::string reason;    // why not, and the way out; empty when it fits
  std::vector<CardLine> lines;
  double needed_share = 0, free_share = 0;  // of the bar; the longer one is 1
  std::string needed, free;                 // under the bar; empty = no bar
  std::vector<int> lengths, counts;         // choices
  int length = 0, count = 0;                // index of the current ones
  std::string window;                       // "26 of 26 layers keep at most 4,096 tokens"
  OpenModel open;                           // what the button asks for
};

OpeningCardModel condense_opening(const Snapshot& now, const OpeningUi& ui);
// True when the worker has answered the card that is meant.
bool card_is_here(const Snapshot& now, const OpeningUi& ui);

// What stands under the path field: recent folders while nothing was typed that goes on from the
// start, else the folders that go on from it.
struct PathOffer {
  std::string label, hint, path;
  bool enabled = true, recent = false;
};
constexpr std::size_t kMostOffers = 8;
std::vector<PathOffer> path_offers(const Snapshot& now, const std::string& typed);
// What Tab adds: the longest start that all folders going on from `typed` share; typed when none.
std::string completed_path(const Snapshot& now, const std::string& typed);

}  // namespace polykv
