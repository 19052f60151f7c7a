#include "views/prompt_model.h"

#include <algorithm>
#include <cmath>

#include "views/widgets.h"

namespace polykv {

namespace {

bool being_scored(Pill pill) {
  return pill == Pill::preview || pill == Pill::queued || pill == Pill::running;
}

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string trimmed(const std::string& text) {
  std::size_t first = 0, last = text.size();
  while (first < last && blank(text[first])) ++first;
  while (last > first && blank(text[last - 1])) --last;
  return text.substr(first, last - first);
}

const CaseText* selected_case(const Snapshot& now, const Ui& ui) {
  const int index = ui.selected.case_index;
  if (!now.cases || index < 0 || index >= static_cast<int>(now.cases->cases.size())) return nullptr;
  return &now.cases->cases[index];
}

// "\nQuestion: Which code ...?\nAnswer: ..." reads as its first line without the label.
std::string question_line(const std::string& text) {
  std::string line = trimmed(text);
  line = trimmed(line.substr(0, line.find('\n')));
  const std::string label = "Question:";
  if (line.rfind(label, 0) == 0) line = trimmed(line.substr(label.size()));
  return line;
}

std::string layer_name(int layer) { return "L" + std::to_string(layer); }

}  // namespace

bool KeptTokens::kept(int position) const {
  if (!known || everything || position >= cut_tokens) return true;
  for (std::size_t head = 0; head < by_head.size(); ++head)
    if (kept_by(static_cast<int>(head), position)) return true;
  return false;
}

int KeptTokens::kept_by(int head, int position) const { return by_head[head][position]; }

int KeptTokens::budget() const {
  long most = 0;
  for (const auto& row : by_head) most = std::max(most, std::count(row.begin(), row.end(), 1));
  return static_cast<int>(most);
}

KeptTokens kept_tokens(const Snapshot& now, const Ui& ui, int layer) {
  KeptTokens out;
  const CaseText* text = selected_case(now, ui);
  if (!text || layer < 0) return out;
  const std::vector<std::vector<int>>* heads = nullptr;
  const std::size_t at = static_cast<std::size_t>(layer);
  if (being_scored(ui.pill) && ui.proxy.available && at < ui.proxy.kept.size()) {
    out.preview = true;
    heads = &ui.proxy.kept[at];
    const std::size_t index = static_cast<std::size_t>(ui.selected.case_index);
    out.cut_tokens = text->context;
    if (now.proxy && index < now.proxy->cases.size())
      out.cut_tokens = now.proxy->cases[index].tokens;
  } else if (now.scored && now.kept && at < now.kept->size() &&
             now.looked.case_index == ui.selected.case_index) {
    heads = &(*now.kept)[at].positions;
    out.cut_tokens = (*now.kept)[at].cut_tokens;
  } else {
    return out;
  }
  out.known = true;
  out.everything = heads->empty();
  for (const auto& positions : *heads) {
    std::vector<char> row(static_cast<std::size_t>(std::max(0, out.cut_tokens)), 0);
    for (int position : positions)
      if (position >= 0 && position < out.cut_tokens) row[position] = 1;
    out.by_head.push_back(std::move(row));
  }
  return out;
}

PromptModel condense_prompt(const Snapshot& now, const Ui& ui) {
  PromptModel out;
  const CaseText* text = selected_case(now, ui);
  if (!text) {
    out.empty = !now.model                    ? "No model is open."
                : now.work.kind != Work::idle ? "The cases are being read."
                                              : "No case is chosen.";
    return out;
  }
  const int layer = ui.selected.layer;
  const KeptTokens kept = kept_tokens(now, ui, layer);
  const Span needle = text->source.needles.empty() ? Span{0, -1} : text->source.needles.front();

  const int count = std::min<int>(text->context, static_cast<int>(text->tokens.size()));
  out.tokens.reserve(count);
  int span_tokens = 0, span_kept = 0;
  bool after_blank = false, after_newline = false;  // white space that ended the token before
  for (int i = 0; i < count; ++i) {
    const std::string& shown = text->tokens[i];
    PromptToken token;
    token.position = i;
    token.text = trimmed(shown);
    std::size_t lead = 0;
    while (lead < shown.size() && blank(shown[lead])) ++lead;
    token.newline = after_newline || shown.substr(0, lead).find('\n') != std::string::npos;
    token.space = after_blank || lead > 0;
    after_blank = !token.text.empty() && blank(shown.back());
    after_newline = after_blank && shown.find_last_of('\n') != std::string::npos &&
                    shown.find_last_of('\n') > lead;
    token.needle = i >= needle.first && i <= needle.last;
    if (kept.known) token.state = kept.kept(i) ? WordState::kept : WordState::evicted;
    if (token.needle) {
      ++span_tokens;
      if (kept.known && kept.kept(i)) ++span_kept;
    }
    out.tokens.push_back(std::move(token));
  }

  const std::string what =
      kept.preview ? "preview cut" : "case " + std::to_string(ui.selected.case_index + 1);
  if (!kept.known) {
    out.stamps = {what};
  } else if (kept.everything) {
    out.stamps = {what + " · " + layer_name(layer) + " keeps all"};
  } else {
    const std::string keeps =
        what + " · " + layer_name(layer) + " keeps " + format_count(kept.budget());
    out.stamps = {keeps + " of " + format_count(kept.cut_tokens), keeps,
                  layer_name(layer) + " keeps " + format_count(kept.budget()) +
                      (kept.preview ? ", preview" : "")};
  }

  out.question = question_line(text->question_text);
  out.gold = trimmed(text->gold);
  if (now.scored && now.looked.case_index == ui.selected.case_index) {
    out.answer = trimmed(now.answer);
    out.full_answer = trimmed(now.full_answer);
    const std::size_t index = static_cast<std::size_t>(ui.selected.case_index);
    if (now.results && index < now.results->size()) {
      const CaseResult& result = (*now.results)[index];
      out.answer_mark = result.correct ? Mark::right : Mark::wrong;
      out.full_mark = result.full_correct ? Mark::right : Mark::wrong;
    }
  }
  if (being_scored(ui.pill)) out.pending = "being rescored";
  if (ui.pill == Pill::stale) out.pending = "stale";
  if (span_tokens > 0 && kept.known) {
    out.span = std::to_string(span_kept) + " of " + std::to_string(span_tokens) + " tokens in " +
               layer_name(layer);
    out.span_whole = span_kept == span_tokens;
  }
  return out;
}

std::vector<std::string> describe_token(const Snapshot& now, const Ui& ui, int position) {
  const CaseText* text = selected_case(now, ui);
  if (!text || position < 0 || position >= static_cast<int>(text->tokens.size())) return {};
  const KeptTokens kept = kept_tokens(now, ui, ui.selected.layer);
  std::vector<std::string> lines{"“" + text->tokens[position] + "” at position " +
                                 format_count(position)};
  if (!kept.known) return lines;
  const std::string where = " in " + layer_name(ui.selected.layer);
  if (kept.everything) {
    lines.push_back("kept" + where + ": this layer keeps all");
  } else if (position >= kept.cut_tokens) {
    lines.push_back("kept" + where + ": it comes after the cut");
  } else if (!kept.kept(position)) {
    lines.push_back("evicted" + where + (kept.by_head.size() > 1 ? " by every KV head" : ""));
  } else {
    std::string heads;
    for (std::size_t head = 0; head < kept.by_head.size(); ++head)
      if (kept.kept_by(static_cast<int>(head), position))
        heads += (heads.empty() ? "KV " : ", KV ") + std::to_string(head);
    lines.push_back("kept" + where + " by " + heads);
    if (kept.by_head.size() > 1) lines.push_back("a word counts as kept in any KV head");
  }
  if (kept.preview) lines.push_back("preview: from stored scores, not yet exact");
  return lines;
}

PromptFlow flow_prompt(const std::vector<PromptToken>& tokens, float width,
                       const Measure& measure) {
  PromptFlow flow;
  if (tokens.empty()) return flow;
  const float space = measure(" ", false);
  float x = 0;
  int line = 0;
  std::size_t i = 0;
  while (i < tokens.size()) {
    std::size_t end = i + 1;  // one word: up to the next white space
    while (end < tokens.size() && !tokens[end].space && !tokens[end].newline) ++end;
    std::vector<float> widths;
    float word = 0;
    for (std::size_t k = i; k < end; ++k) {
      widths.push_back(tokens[k].text.empty() ? 0 : measure(tokens[k].text, tokens[k].needle));
      word += widths.back();
    }
    const bool lone_space = tokens[i].text.empty();  // a token that is white space only
    if (tokens[i].newline && (line > 0 || x > 0)) {
      x = 0;
      ++line;
    } else if (x > 0 && tokens[i].space) {
      if (x + space + word > width) {
        x = 0;
        ++line;
      } else {
        x += space;
      }
    }
    for (std::size_t k = i; k < end; ++k) {
      const float w = widths[k - i];
      if (x > 0 && x + w > width && k > i) {
        x = 0;
        ++line;
      }
      PromptPiece piece{static_cast<int>(k), line, x, w};
      // The white space is all there is of such a token: it gets the gap before the word.
      if (k == i && lone_space && x >= space) piece.x = x - space, piece.width = space;
      flow.pieces.push_back(piece);
      x += w;
      if (tokens[k].needle) {
        if (flow.needle_first < 0) flow.needle_first = line;
        flow.needle_last = line;
      }
    }
    i = end;
  }
  flow.lines = line + 1;
  return flow;
}

int line_showing_needle(const PromptFlow& flow, int visible_lines) {
  const int last = std::max(0, flow.lines - visible_lines);
  if (flow.needle_first < 0) return 0;
  const int covered = flow.needle_last - flow.needle_first + 1;
  const int above = std::max(0, std::min(visible_lines / 3, visible_lines - covered));
  return std::clamp(flow.needle_first - above, 0, last);
}

}  // namespace polykv
