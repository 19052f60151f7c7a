#pragma once
// One declaration per row; each file of this folder defines the row of its name.
#include "core/policies/policy.h"

namespace polykv {

const Policy& full_policy();
const Policy& random_policy();
const Policy& streaming_llm_policy();
const Policy& h2o_policy();
const Policy& scissorhands_policy();
const Policy& tova_policy();
const Policy& snapkv_policy();
const Policy& pyramidkv_policy();
const Policy& cake_policy();
const Policy& adakv_policy();
const Policy& headkv_policy();
const Policy& compresskv_policy();
const Policy& knorm_policy();
const Policy& keydiff_policy();
const Policy& lagkv_policy();
const Policy& expected_attention_policy();
const Policy& chunkkv_policy();
const Policy& criticalkv_policy();
const Policy& defensivekv_policy();
const Policy& d2o_policy();
const Policy& cam_policy();
const Policy& simlayerkv_policy();
const Policy& kvzip_policy();
const Policy& qfilter_policy();
const Policy& duo_policy();

Protected protect_nothing(const Params&, int budget, int tokens);

}  // namespace polykv
