/* The C interface of sd: load a model, draw pictures, swap words, look at attention. C99 and C++.
 *
 *     sd_model* model = NULL;
 *     sd_load_options load = SD_LOAD_OPTIONS_INIT;
 *     load.checkpoint = "models/demo";
 *     if (sd_load(&load, &model) != SD_OK) fprintf(stderr, "%s\n", sd_error());
 *
 * Errors. Functions that can fail return a code, 0 (SD_OK) if all is well, and then leave what they
 * were to fill in NULL or untouched; sd_error() says in words what was wrong in the calling thread.
 * No C++ exception leaves a function, one thrown by a callback neither.
 *
 * Ownership. What sd_load, sd_draw and sd_swap give out is the caller's and goes with sd_model_free
 * or sd_drawing_free; both take NULL. A drawing does not need its model: they may be freed in any
 * order. Pointers into a drawing are good until it is freed. Strings and arrays that are handed in
 * are copied before the function returns.
 *
 * Threads. A model may be shared: calls that draw with it wait for each other. A drawing may be
 * read by several threads. The number of threads that LibTorch computes with is the process's, and
 * the last sd_load sets it. Callbacks run in the thread that called; they must not use the model
 * that is drawing.
 *
 * Versions. Every struct begins with its size, which SD_…_INIT fills in. A library that knows
 * another size refuses the struct (SD_USAGE) and names both, so that a program and a library of two
 * versions do not misread each other.
 */
#ifndef SD_SD_H
#define SD_SD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SD_API __attribute__((visibility("default")))
#else
#define SD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return: the exit codes of the program. */
enum {
  SD_OK = 0,
  SD_FAILED = 1,
  SD_USAGE = 2,      /* an argument, prompt or configuration is wrong */
  SD_CHECKPOINT = 4, /* a weight file cannot be used */
  SD_IO = 5,         /* reading or writing a file failed */
  SD_MEMORY = 6,     /* not enough memory, of the host or of the device */
  SD_CANCELLED = 130 /* the callback stopped the run */
};

/* What was wrong with the last call of this thread that failed: UTF-8, more lines are hints. Good
 * until the next call of this thread; empty before any has failed. Never NULL. */
SD_API const char* sd_error(void);

/* "0.1.0". */
SD_API const char* sd_version(void);

/* Where a run stands. */
enum { SD_STAGE_LOAD = 0, SD_STAGE_ENCODE = 1, SD_STAGE_SAMPLE = 2, SD_STAGE_DECODE = 3 };

/* Called between steps: `done` of `total` steps of `stage` are finished. Returns 0 to go on;
 * anything else stops the run, which then fails with SD_CANCELLED. */
typedef int (*sd_progress)(void* user, int stage, int64_t done, int64_t total);

/* --- Models --- */

typedef struct sd_model sd_model;

typedef struct sd_load_options {
  size_t struct_size;
  const char* checkpoint;  /* a .ckpt, .safetensors or .gguf file, or a diffusers folder */
  const char* config;      /* a YAML; NULL: the one beside the checkpoint, if there is one */
  const char* device;      /* one: "auto", "cpu", "cuda", "cuda:1"; NULL: auto */
  const char* dtype;       /* "auto", "f32", "bf16", "f16"; NULL: auto */
  const char* weights;     /* of the UNet on a CPU: "auto", "int8"; NULL: auto */
  int32_t exact_conv;      /* not 0: no Winograd in convolutions on a CPU */
  int32_t low_memory;      /* not 0: one part of the model in memory at a time */
  int32_t threads;         /* 0: one a physical core */
  int32_t ema;             /* not 0: the EMA weights of a full checkpoint */
  sd_progress on_progress; /* NULL: nobody is told */
  void* user;              /* handed to on_progress */
} sd_load_options;

#define SD_LOAD_OPTIONS_INIT \
  { sizeof(sd_load_options), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL }

SD_API int sd_load(const sd_load_options* options, sd_model** model);
SD_API void sd_model_free(sd_model* model);
/* Pixels a side of the pictures that the model was trained for; 0 for NULL. */
SD_API int64_t sd_model_side(const sd_model* model);

/* --- Drawing --- */

typedef struct sd_drawing sd_drawing;

typedef struct sd_draw_options {
  size_t struct_size;
  const char* prompt;          /* of sd_draw; sd_swap has its own */
  const char* negative_prompt; /* NULL: none */
  int64_t width, height;       /* pixels, multiples of 64; 0: sd_model_side */
  int64_t steps;               /* 1 to 1000 */
  const char* sampler;         /* "ddim", "plms", "dpm++_2m", … (sd samplers); NULL: ddim */
  const char* scheduler;       /* "karras", …; NULL: as is usual for the sampler */
  double scale;                /* of the guidance; 1: none */
  double eta;                  /* DDIM's, 0 to 1 */
  /* Faster, and another picture: the share of pixels that is merged before self-attention, 0 to
   * 0.75 (0: none); the deep layers every so many steps (1: in each); which steps are guided. */
  double token_merging;
  int64_t deepcache;
  double guidance_begin, guidance_end; /* fractions of the steps */
  uint64_t seed;
  int64_t samples; /* pictures of each prompt, drawn together */
  /* Files of textual inversion embeddings: words that prompts may use beside the model's own, by
   * their names. */
  const char* const* embeddings;
  size_t embedding_count;
  int32_t maps;            /* not 0: keep attention, for sd_drawing_word_map */
  sd_progress on_progress; /* NULL: nobody is told */
  void* user;              /* handed to on_progress */
} sd_draw_options;

#define SD_DRAW_OPTIONS_INIT                                                                      \
  {                                                                                               \
    sizeof(sd_draw_options), NULL, NULL, 0, 0, 50, NULL, NULL, 7.5, 0.0, 0.0, 1, 0.0, 1.0, 42, 1, \
        NULL, 0, 0, NULL, NULL                                                                    \
  }

/* Draws `samples` pictures of a prompt. */
SD_API int sd_draw(sd_model* model, const sd_draw_options* options, sd_drawing** drawing);

enum {
  SD_SWAP_PROMPT_TO_PROMPT = 0, /* arXiv:2208.01626 */
  SD_SWAP_FORK = 1              /* the swap of aligned tokens */
};

typedef struct sd_swap_options {
  size_t struct_size;
  const char* source;         /* the prompt whose picture is changed */
  const char* const* targets; /* what it is changed to */
  size_t target_count;
  int32_t mode;
  /* Prompt-to-Prompt: fractions of the steps in which the targets follow the source. */
  double cross_begin, cross_end; /* in cross-attention: what stands where */
  double self_begin, self_end;   /* in self-attention: shapes */
  double tthres;                 /* the fork's: timesteps below it are left alone */
  /* Where these words are looked at, and only there, a target may differ; none: everywhere. */
  const char* const* local_blend;
  size_t local_blend_count;
} sd_swap_options;

#define SD_SWAP_OPTIONS_INIT                                                                   \
  {                                                                                            \
    sizeof(sd_swap_options), NULL, NULL, 0, SD_SWAP_PROMPT_TO_PROMPT, 0.0, 0.8, 0.0, 0.4, 0.0, \
        NULL, 0                                                                                \
  }

/* Draws a source and its targets from the same noise. options->prompt must be NULL. Pictures stand
 * target by target, `samples` each, the source's last. */
SD_API int sd_swap(sd_model* model, const sd_draw_options* options, const sd_swap_options* swap,
                   sd_drawing** drawing);

/* --- Drawings --- */

SD_API void sd_drawing_free(sd_drawing* drawing);
/* How many pictures; 0 for NULL. */
SD_API size_t sd_drawing_count(const sd_drawing* drawing);
/* Pixels of each of them; 0 for NULL. */
SD_API int64_t sd_drawing_width(const sd_drawing* drawing);
SD_API int64_t sd_drawing_height(const sd_drawing* drawing);
/* The bytes of a picture: red, green, blue, pixel after pixel, rows from the top. NULL, with
 * sd_error, if there is no such picture. */
SD_API const uint8_t* sd_drawing_rgb(const sd_drawing* drawing, size_t index);
/* Writes a picture over what has this name: .png, .jpg or .webp. */
SD_API int sd_drawing_write(const sd_drawing* drawing, size_t index, const char* path);

/* The size of attention maps: that of the latents. 0 for NULL and without maps. */
SD_API int64_t sd_drawing_map_width(const sd_drawing* drawing);
SD_API int64_t sd_drawing_map_height(const sd_drawing* drawing);
/* Fills in map_height · map_width floats: the share of its attention that each place of a picture
 * paid to `word` ("cat", "red car", "cat#2", "@8": a token by its place) of the picture's prompt,
 * mean over steps, layers, heads and the word's tokens. `floats` is how many `map` has room for. */
SD_API int sd_drawing_word_map(const sd_drawing* drawing, size_t index, const char* word,
                               float* map, size_t floats);

#ifdef __cplusplus
}
#endif

#endif /* SD_SD_H */
