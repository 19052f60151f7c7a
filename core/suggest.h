#pragma once
#include <string>
#include <vector>

namespace polykv {

// The known word nearest to `word` by edit distance, or "" when none is within a third of its
// length.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known);

// "; did you mean 'score'?", or "" when nothing is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

}  // namespace polykv
