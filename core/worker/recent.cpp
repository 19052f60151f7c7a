#include "core/worker/recent.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"

namespace polykv {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "polykv-recent/1";

std::string list_file(const std::string& state_folder) { return state_folder + "/recent.json"; }

std::string home() {
  const char* home = std::getenv("HOME");
  return home ? home : "";
}

std::vector<std::string> read_list(const std::string& state_folder) {
  std::vector<std::string> folders;
  if (state_folder.empty()) return folders;
  try {
    const Json json = read_json_file(list_file(state_folder));
    if (!json.is_object() || json.value("format", "") != kFormat) return folders;
    const Json list = json.value("folders", Json::array());
    for (const Json& folder : list) {
      if (!folder.is_string() || folders.size() == kMostRecent) continue;
      const std::string path = folder.get<std::string>();
      if (!path.empty() && std::count(folders.begin(), folders.end(), path) == 0)
        folders.push_back(path);
    }
  } catch (const Error&) {  // no list is no reason to stop
  } catch (const Json::exception&) {
    folders.clear();
  }
  return folders;
}

}  // namespace

std::string default_state_folder() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && state[0] == '/') return std::string(state) + "/polykv-studio";
  return home().empty() ? "" : home() + "/.local/state/polykv-studio";
}

std::vector<RecentFolder> read_recent(const std::string& state_folder) {
  std::vector<RecentFolder> recent;
  for (const std::string& folder : read_list(state_folder)) {
    std::error_code ignored;
    recent.push_back({folder, !fs::is_directory(folder, ignored)});
  }
  return recent;
}

void add_recent(const std::string& state_folder, const std::string& folder) {
  if (state_folder.empty()) return;
  std::vector<std::string> folders = read_list(state_folder);
  std::erase(folders, folder);
  folders.insert(folders.begin(), folder);
  if (folders.size() > kMostRecent) folders.resize(kMostRecent);
  std::error_code ignored;  // the write says what is wrong
  fs::create_directories(state_folder, ignored);
  const Json json = {{"format", kFormat}, {"folders", folders}};
  write_file_atomic(list_file(state_folder),
                    json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string without_tilde(const std::string& path) {
  const bool tilde = path == "~" || path.starts_with("~/");
  return tilde && !home().empty() ? home() + path.substr(1) : path;
}

std::vector<std::string> complete_folder(const std::string& typed, std::size_t most) {
  const std::string path = without_tilde(typed);
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::string start = slash == std::string::npos ? path : path.substr(slash + 1);
  std::vector<std::string> folders;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::directory_iterator entry(parent.empty() ? "." : parent, options, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(start) || (name[0] == '.' && start.empty())) continue;
    std::error_code ignored;
    if (entry->is_directory(ignored)) folders.push_back(parent + name + "/");
  }
  std::sort(folders.begin(), folders.end());
  if (folders.size() > most) folders.resize(most);
  return folders;
}

}  // namespace polykv
