#pragma once

// What a program needs to load a model, draw, swap words and look at attention. docs/library.md
// shows how; each header below says more.

#include "sd/control/chain.h"
#include "sd/control/map_recorder.h"
#include "sd/core/error.h"
#include "sd/image/read.h"
#include "sd/image/word_map.h"
#include "sd/image/write.h"
#include "sd/nn/attention_controller.h"
#include "sd/pipeline/img2img.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_maps.h"
#include "sd/pipeline/word_swap.h"
