/* Sentence similarity in C++17: one vector a sentence, by the model's own recipe; how near each pair is.
 *
 *     sentence_similarity MODEL_DIRECTORY */
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "embed.hpp"

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s MODEL_DIRECTORY\n", argv[0]);
        return 2;
    }
    const std::vector<std::string> sentences = {
        "A cat is sleeping on the sofa.",
        "The kitten naps on the couch.",
        "Shares fell after the company published its results.",
        "The stock lost value when the earnings came out.",
        "Add a pinch of salt and stir the soup.",
    };
    try {
        embed::model model(argv[1]);
        embed::session session(model);
        embed::matrix vectors = session.encode(sentences);
        embed::matrix scores = embed::similarity(EMBED_SIMILARITY_COSINE, vectors, vectors);
        for (std::size_t i = 0; i < scores.rows; i++) {
            for (float score : scores[i])
                std::printf("%6.2f ", score);
            std::printf("  %s\n", sentences[i].c_str());
        }
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
