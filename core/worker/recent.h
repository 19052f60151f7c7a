#pragma once
// The model folders opened last, kept in a file of the state folder.
#include <string>
#include <vector>

namespace polykv {

struct RecentFolder {
  std::string folder;
  bool missing = false;  // it is not there now
};

constexpr std::size_t kMostRecent = 8;

// $XDG_STATE_HOME/polykv-studio, else ~/.local/state/polykv-studio; empty when there is no home.
std::string default_state_folder();

// Newest first. A file that is missing or broken is an empty list, and so is an empty state_folder.
std::vector<RecentFolder> read_recent(const std::string& state_folder);
// Puts a folder first and writes the list. Does nothing without a state folder; throws
// Error(failed) when the file cannot be written.
void add_recent(const std::string& state_folder, const std::string& folder);

// Folders that go on from a typed path ("/data/mo" -> "/data/models/"), with a slash at their end,
// in order, at most `most`; nothing when the path's own folder cannot be read. ~ is the home.
std::vector<std::string> complete_folder(const std::string& typed, std::size_t most);
std::string without_tilde(const std::string& path);  // "~/x" -> "/home/me/x"

}  // namespace polykv
