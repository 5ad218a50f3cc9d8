/* Draws a picture through the C interface. */
#include <sd/sd.h>
#include <stdio.h>

static int on_progress(void* user, int stage, int64_t done, int64_t total) {
  (void)user;
  if (stage == SD_STAGE_SAMPLE) fprintf(stderr, "step %d of %d\n", (int)done, (int)total);
  return 0; /* anything else stops */
}

int main(int argc, char** argv) {
  sd_model* model = NULL;
  sd_drawing* drawing = NULL;

  sd_load_options load = SD_LOAD_OPTIONS_INIT;
  load.checkpoint = argc > 1 ? argv[1] : "models/demo";
  int code = sd_load(&load, &model);

  sd_draw_options draw = SD_DRAW_OPTIONS_INIT;
  draw.prompt = "a blue cat on a yellow background";
  draw.steps = 20;
  draw.on_progress = on_progress;
  if (code == SD_OK) code = sd_draw(model, &draw, &drawing);
  if (code == SD_OK) code = sd_drawing_write(drawing, 0, "hello-c.png");
  if (code != SD_OK) fprintf(stderr, "hello_sd: %s\n", sd_error());

  sd_drawing_free(drawing);
  sd_model_free(model);
  return code;
}
